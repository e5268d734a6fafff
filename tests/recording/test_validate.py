"""Hostile recordings: links out of the file, code and false claims are refused, with the reason."""

import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from aetheria import Life, Recorder, Recording
from aetheria.core.errors import AetheriaError, RecordingError, StateError
from aetheria.core.memory_limits import forced
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import checksums, schema, validate
from aetheria.recording.compress import read_row
from aetheria.recording.hdf5 import attributes, structure
from tests.paths import GOLDEN

Spoil = Callable[[h5py.File, Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    motor = Aetheria_Motor(Life(), (12, 16), 1, "cpu", {"plan": "eager"}, batch=2)
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0", "population"], title="a run"):
        motor.step(3)
    return tmp_path / "run.h5"


def elsewhere(folder: Path) -> Path:
    """Another HDF5 file, with something to steal."""
    with h5py.File(folder / "secret.h5", "w") as file:
        file["cells"] = np.ones((4, 2, 12, 16), np.float32)
    return folder / "secret.h5"


def external_link(file: h5py.File, folder: Path) -> None:
    file["stolen"] = h5py.ExternalLink(str(elsewhere(folder)), "/cells")


def soft_link(file: h5py.File, _: Path) -> None:
    file["again"] = h5py.SoftLink("/channel_0")


def external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "passwords").write_bytes(b"root:x:0:0")
    file.create_dataset("stolen", (10,), np.uint8, external=[(str(folder / "passwords"), 0, 10)])


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((4, 2, 12, 16), np.float32)
    layout[:] = h5py.VirtualSource(str(elsewhere(folder)), "cells", (4, 2, 12, 16))
    file.create_virtual_dataset("stolen", layout)


def unknown_filter(file: h5py.File, _: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4,))
    plist.set_filter(32123, h5py.h5z.FLAG_OPTIONAL, (1, 2))  # HDF5 would look for a plug-in to load
    h5py.h5d.create(file.id, b"odd", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((4,)), plist)


def texts_of_any_length(file: h5py.File, _: Path) -> None:
    file.create_dataset("words", (3,), h5py.string_dtype())


def references(file: h5py.File, _: Path) -> None:
    file.create_dataset("pointers", (1,), h5py.ref_dtype)[0] = file["channel_0"].ref


def opaque(file: h5py.File, _: Path) -> None:
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, 8)
    kind.set_tag(b"NUMPY:|O8")  # eight bytes that a careless reader takes for the address of a Python object
    h5py.h5d.create(file.id, b"odd", kind, h5py.h5s.create_simple((4,)))


def opaque_attribute(file: h5py.File, _: Path) -> None:
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, 8)
    kind.set_tag(b"NUMPY:|O8")
    h5py.h5a.create(file.id, b"odd", kind, h5py.h5s.create_simple((4,)))


def named_type(file: h5py.File, _: Path) -> None:
    file["kind"] = np.dtype("f4")


def no_values(file: h5py.File, _: Path) -> None:
    file["nothing"] = h5py.Empty("f4")


def many_axes(file: h5py.File, _: Path) -> None:
    file.create_dataset("deep", (1,) * 12, np.uint8)


def groups_in_groups(file: h5py.File, _: Path) -> None:
    file.create_group("a/b/c/d/e/f/g")


def group_in_itself(file: h5py.File, _: Path) -> None:
    group = file.create_group("loop")
    group["loop"] = group


def wide_group(file: h5py.File, _: Path) -> None:
    group = file.create_group("wide")
    for number in range(structure.MAX_OBJECTS + 1):
        group[str(number)] = file["frames"]


def many_groups(file: h5py.File, _: Path) -> None:
    group = file.create_group("many")
    for number in range(70):
        inner = group.create_group(str(number))
        for name in range(70):
            inner[str(name)] = file["frames"]


def large_chunks(file: h5py.File, _: Path) -> None:
    file.create_dataset("bomb", (1, 2**31), np.uint8, chunks=(1, 2**31), compression="gzip")


def large_attribute(file: h5py.File, _: Path) -> None:
    file.create_group("g", track_order=True).attrs.create("blob", np.zeros(attributes.MAX_ATTRIBUTE_BYTES + 1, np.uint8))


def many_attributes(file: h5py.File, _: Path) -> None:
    for number in range(attributes.MAX_ATTRIBUTES + 1):
        file.attrs[f"a{number}"] = number


HOSTILE: dict[str, tuple[Spoil, str]] = {
    "external link": (external_link, "stolen is a link to another file; a recording holds no links"),
    "soft link": (soft_link, "again is a soft link"),
    "external storage": (external_storage, "stolen keeps its values in another file"),
    "virtual": (virtual, "stolen is a virtual dataset"),
    "filter": (unknown_filter, "odd needs HDF5 filter 32123; expected deflate"),
    "texts": (texts_of_any_length, "words holds texts of variable length"),
    "references": (references, "pointers holds values of HDF5 class 7"),
    "opaque": (opaque, "odd holds values of HDF5 class 5"),
    "opaque attribute": (opaque_attribute, "the root, attribute odd holds values of HDF5 class 5"),
    "named type": (named_type, "kind is neither a dataset nor a group"),
    "null": (no_values, "nothing has no values"),
    "axes": (many_axes, "deep has no values, or more than 8 axes"),
    "deep": (groups_in_groups, "a/b/c/d is nested 4 groups deep"),
    "cycle": (group_in_itself, "is nested 4 groups deep"),
    "wide": (wide_group, "wide holds more than 4,096 names"),
    "many": (many_groups, "holds more than 4,096 groups and datasets"),
    "chunks": (large_chunks, "bomb has compressed chunks of 2,147,483,648 bytes; expected 8,388,608 at most"),
    "large attribute": (large_attribute, "attribute blob is larger than 8,388,608 bytes"),
    "attributes": (many_attributes, "attributes; expected 512 at most"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_recording_holds_is_refused(name: str, path: Path, tmp_path: Path) -> None:
    spoil, words = HOSTILE[name]
    Recording(path).close()
    with h5py.File(path, "r+", libver="latest") as file:
        spoil(file, tmp_path)
    with pytest.raises(RecordingError) as caught:
        Recording(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def test_the_traps_are_live_read_carelessly_they_lead_out_of_the_file(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        external_link(file, tmp_path)
        assert file["stolen"][0, 0, 0, 0] == 1
        del file["stolen"]
        external_storage(file, tmp_path)
        assert bytes(file["stolen"][:]) == b"root:x:0:0"


def piped(file: h5py.File, kind: str, pipe: str) -> None:
    """Something that leads to a pipe; whoever opened it would wait for ever."""
    if kind in ("link", "name of a sidecar"):
        file["stolen" if kind == "link" else "VTKHDF"] = h5py.ExternalLink(pipe, "/x")
        return
    endless = h5py.h5s.UNLIMITED if kind.endswith("length") else 10
    space = h5py.h5s.create_simple((10, 4), (h5py.h5s.UNLIMITED, 4))
    source = h5py.h5s.create_simple((10, 4), (h5py.h5s.UNLIMITED, 4))
    for selected in (space, source):
        selected.select_hyperslab((0, 0), (endless, 1), stride=(1, 4), block=(1, 4))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.VIRTUAL)
    plist.set_virtual(space, pipe.encode(), b"x", source)
    h5py.h5d.create(file.id, b"stolen", h5py.h5t.NATIVE_INT32, space, plist)


def test_nothing_that_a_hostile_file_names_is_even_opened(path: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.h5"
    os.mkfifo(pipe)
    paths = []
    for kind in ("virtual", "virtual of any length", "link", "name of a sidecar"):
        paths.append(tmp_path / f"{kind}.h5")
        shutil.copy(path, paths[-1])
        with h5py.File(paths[-1], "r+", libver="latest") as file:
            piped(file, kind, str(pipe))
    code = """
import sys
from aetheria import Recording
from aetheria.core.errors import RecordingError
for path in sys.argv[1:]:
    try:
        Recording(path)
    except RecordingError as error:
        print(error)
"""
    command = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = [re.search(r"h5: (VTKHDF|stolen) is a (link|virtual)", line) for line in done.stdout.splitlines()]
    assert len(said) == 4
    assert all(said)


# -- claims ------------------------------------------------------------------------------------------------------


def claimed(path: Path, rows: int, counted: int) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        for name in ("time", "step", "wall_time", "edits_before", "channel_0", "population"):
            file[name].resize(rows, 0)
        file["frames"][()] = counted


@pytest.mark.parametrize("counted", [-1, -(2**63), 10**6, 10**15, 2**62])
def test_frames_that_the_file_cannot_hold_are_not_believed(counted: int, path: Path) -> None:
    claimed(path, 2**40, counted)
    with Recording(path) as recording, pytest.raises(RecordingError, match=r"rows of step are .* bytes, and it can hold"):
        len(recording)


def test_a_frame_larger_than_the_file_can_hold_is_not_read(path: Path) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        for name, length in (("y", 2**20), ("x", 2**20)):
            del file[name]
            file.create_dataset(name, data=np.arange(length, dtype=np.float64)).make_scale(name)
        del file["channel_0"]
        shape = (4, 2, 2**20, 2**20)
        chunks = {"chunks": (1, 1, 1, 2**20), "maxshape": (None, *shape[1:])}
        data = file.create_dataset("channel_0", shape, np.float32, compression="gzip", **chunks)
        for axis, name in enumerate(("time", "universe", "y", "x")):
            data.dims[axis].attach_scale(file[name])
        file.attrs[checksums.LAYOUT] = checksums.of_layout(file)
    with Recording(path) as recording, pytest.raises(RecordingError, match=r"1 rows of channel_0 are 8,796,093,022,208 bytes"):
        recording.read("channel_0", 0)


def test_a_frame_beyond_memory_is_refused_unless_it_is_forced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.core.memory_limits.available_bytes", lambda: 1000)
    monkeypatch.setattr(validate, "_SMALL", 100)
    with Recording(path) as recording:
        with pytest.raises(StateError, match=r"reading channel_0 needs at least 1,536 bytes, 1,000 bytes are free"):
            recording.read("channel_0", 0)
        with forced():
            assert recording.read("channel_0", 0).shape == (2, 12, 16)


def stored_chunk(path: Path, stored: bytes, mask: int = 0) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        file["channel_0"].id.write_direct_chunk((0, 0, 0, 0), stored, mask)


def fletcher32(content: bytes) -> bytes:
    """HDF5's checksum, word by word."""
    low = high = 0
    for (word,) in struct.iter_unpack(">H", content + b"\0" * (len(content) % 2)):
        low = (low + word) % 65535
        high = (high + low) % 65535
    return struct.pack("<I", high << 16 | low)


def test_a_chunk_that_inflates_to_more_than_it_should_is_refused_before_it_does(path: Path) -> None:
    bomb = zlib.compress(bytes(2**24), 9)
    stored_chunk(path, bomb + fletcher32(bomb))
    with Recording(path) as recording:
        with pytest.raises(RecordingError, match="frame 0 of channel_0"):
            recording.read("channel_0", 0)
        assert recording.read("channel_0", 1).shape == (2, 12, 16)


@pytest.mark.parametrize("codec", ["fast", "compact"])
def test_so_is_one_of_the_other_codecs(codec: schema.Codec, tmp_path: Path) -> None:
    motor, target = Aetheria_Motor(Life(), (12, 16), 1, "cpu", {"plan": "eager"}, batch=2), tmp_path / "run.h5"
    with Recorder(motor, target, fields=["channel_0"], codec=codec):
        motor.step(1)
    with h5py.File(tmp_path / "large.h5", "w") as file:
        filters = schema.filters(codec) | {"shuffle": False, "fletcher32": False}
        large = file.create_dataset("x", data=np.zeros((1, 2**18), np.float32), chunks=(1, 2**18), **filters)
        bomb = large.id.read_direct_chunk((0, 0))[1]
    assert len(bomb) < 2**13
    stored_chunk(target, bomb + fletcher32(bomb))
    with Recording(target) as recording:
        with pytest.raises(RecordingError, match=r"frame 0 of channel_0.*a chunk of 1,536 bytes would decode to more"):
            recording.read("channel_0", 0)
        assert recording.read("channel_0", 1).shape == (2, 12, 16)


@pytest.mark.parametrize("codec", [{}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": 4}])
@pytest.mark.parametrize(("frame", "chunk"), [((5, 7), (5, 7)), ((5, 7), (2, 7)), ((3, 9, 10), (2, 4, 3)), ((4,), (3,))])
def test_a_frame_is_what_hdf5_wrote(
    codec: dict[str, Any], frame: tuple[int, ...], chunk: tuple[int, ...], tmp_path: Path
) -> None:
    for dtype in (np.uint8, np.float16, np.float32, np.float64):
        values = np.random.default_rng(0).integers(0, 99, (3, *frame)).astype(dtype)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            data = file.create_dataset("x", data=values, chunks=(1, *chunk), **codec)
            for part in (slice(None), slice(0, 1), slice(2, 4), slice(-1, None)):
                np.testing.assert_array_equal(read_row(data, 1, part), values[1, part])


# -- forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("universes", 0),
        ("universes", "two"),
        ("universes", [1, 2]),
        ("universes", 1.5),
        ("grid", 7),
        ("grid", ["a", "b"]),
        ("every", -1),
        ("law", 3),
        ("title", None),
        ("config", None),
        ("config", 5.0),
        ("codec", [1]),
        ("aetheria_schema", [1, 2]),
        ("aetheria_schema", "2"),
    ],
)
def test_attributes_of_another_kind_are_named(name: str, value: Any, path: Path) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value
    with pytest.raises(RecordingError, match=rf"^{path}: .*{'schema' if 'schema' in name else name}"):
        Recording(path)


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [("frames", (2,), "i8"), ("frames", (), "f8"), ("status", (), "i8"), ("step", (4, 4), "i8"), ("time", (), "f8")],
)
def test_datasets_of_another_form_are_named(name: str, shape: tuple[int, ...], kind: str, path: Path) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        del file[name]
        file.create_dataset(name, shape, kind)
    with pytest.raises(RecordingError, match=f"{name} is missing or of another form"):
        Recording(path)


def test_a_good_recording_of_every_codec_and_schema_is_let_through(tmp_path: Path) -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"})
    for codec in ("gzip", "fast", "compact"):
        with Recorder(motor, tmp_path / f"{codec}.h5", codec=codec):
            motor.step(2)
        with Recording(tmp_path / f"{codec}.h5") as recording:
            assert len(recording) == 3
    with Recording(GOLDEN / "schema_1.h5") as recording:
        assert len(recording) == 4
    assert issubclass(RecordingError, AetheriaError)
