"""Forged and damaged HDF5 metadata: refused before HDF5 reads it, with the reason."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from aetheria import Life, Recorder, Recording
from aetheria.core.errors import RecordingError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.fields import Field
from aetheria.observe.request import Request
from aetheria.recording import checksums, schema
from aetheria.recording.append import FORMAT
from aetheria.recording.compress import read_row
from aetheria.recording.hdf5.structure import check_structure
from aetheria.recording.hdf5_checksums import checksum_patches
from aetheria.recording.repair.salvage import salvage
from tests.paths import GOLDEN


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("structure") / "run.h5"
    motor = Aetheria_Motor(Life(), (12, 16), 1, "cpu", {"plan": "eager"})
    with Recorder(motor, path, fields=["channel_0", "population"], title="a run"):
        motor.step(5)
    return path.read_bytes()


@pytest.fixture
def path(whole: bytes, tmp_path: Path) -> Path:
    (tmp_path / "run.h5").write_bytes(whole)
    return tmp_path / "run.h5"


def refused(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        Recording(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def mend_checksums(path: Path) -> None:
    """Makes HDF5's checksums match the content again, as a forger does."""
    content = bytearray(path.read_bytes())
    for at, patch in checksum_patches(path)[0].items():
        content[at : at + len(patch)] = patch
    path.write_bytes(content)


def put(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


# -- pointers ----------------------------------------------------------------------------------------------------------

POINTER = 0x4141414141414141
KINDS = {
    "compound": np.array([(1, POINTER)] * 3, [("len", "u8"), ("p", "u8")]),
    "opaque": np.frombuffer(np.array([1, POINTER] * 3, "u8").tobytes(), "V16"),
    "numbers": np.array([1, POINTER] * 3, "u8").reshape(3, 2),
}


@pytest.mark.parametrize("name", ["DIMENSION_LIST", "REFERENCE_LIST"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_attribute_in_which_hdf5_would_follow_pointers_must_be_of_the_right_type(name: str, kind: str, path: Path) -> None:
    with h5py.File(path, "r+", **FORMAT) as file:
        attributes = file["channel_0" if name.startswith("D") else "time"].attrs
        del attributes[name]
        attributes.create(name, KINDS[kind])
    assert f"attribute {name}" in refused(path)


def test_an_axis_that_points_at_no_object_is_refused(path: Path) -> None:
    with h5py.File(path, "r+", **FORMAT) as file:
        address = h5py.h5o.get_info(file["x"].id).addr
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    at = content.index(struct.pack("<Q", address), heap)
    put(path, at, struct.pack("<Q", address + 1))
    assert f"points at {address + 1:,}, where no object is" in refused(path)


# -- heaps -------------------------------------------------------------------------------------------------------------


def objects_of(content: bytes) -> list[tuple[int, int, int]]:
    """Number, place and size of the objects of the first global heap; walked without the code under test."""
    heap = content.index(b"GCOL")
    end, at, found = heap + int.from_bytes(content[heap + 8 : heap + 16], "little"), heap + 16, []
    while at + 16 <= end:
        number, size = int.from_bytes(content[at : at + 2], "little"), int.from_bytes(content[at + 8 : at + 16], "little")
        found.append((number, at, size))
        at += 16 + (size + 7) // 8 * 8 if number else size
    return found


@pytest.mark.parametrize("which", [0, 1, 12, -3, -1])
def test_sixteen_zeros_in_a_heap_are_refused_and_repair_saves_the_frames(which: int, path: Path, tmp_path: Path) -> None:
    _, at, _ = objects_of(path.read_bytes())[which]
    put(path, at, bytes(16))
    assert f"has a damaged object at {at:,}" in refused(path)
    saved = salvage(path, tmp_path / "out.h5", [], lambda _: None)
    assert (saved.frames, saved.counted) == (6, 6)
    assert "1 objects of HDF5's heap of texts were damaged" in saved.problems
    lost = [line for line in saved.problems if "cannot be read" in line]
    assert len(lost) <= 1  # the object that lost its size, no other
    with Recording(tmp_path / "out.h5") as recording:
        assert len(recording) == 6


def test_repair_saves_the_frames_without_any_heap(path: Path, tmp_path: Path) -> None:
    put(path, path.read_bytes().index(b"GCOL"), bytes(512))
    saved = salvage(path, tmp_path / "out.h5", [], lambda _: None)
    assert saved.frames == 6
    assert "the fields of the checksums cannot be read" in saved.problems
    with Recording(tmp_path / "out.h5") as recording:
        assert (recording.fields, recording.observables) == (("channel_0",), ("population",))


def test_texts_that_name_one_object_again_and_again_are_refused(path: Path) -> None:
    with h5py.File(path, "r+", **FORMAT) as file:
        file.attrs.create("many", np.array(["A"] * 3000, object), dtype=h5py.string_dtype())
    assert "attribute many holds 3,000 texts; expected 64 at most" in refused(path)


def test_a_text_longer_than_its_object_is_refused(path: Path) -> None:
    content = path.read_bytes()
    number, _, size = next(found for found in objects_of(content) if content[found[1] + 16 :].startswith(b"a run"))
    element = struct.pack("<IQI", size, content.index(b"GCOL"), number)
    put(path, content.index(element), struct.pack("<I", 2**31))
    mend_checksums(path)
    assert "attribute title: its 2,147,483,648 bytes are not in the global heap" in refused(path)


# -- cycles and claims -------------------------------------------------------------------------------------------------


def continued_in_itself(content: bytearray) -> None:
    at = content.index(b"OCHK")
    length = int.from_bytes(content[content.index(struct.pack("<Q", at)) + 8 :][:8], "little")
    content[at + 4 : at + 24] = struct.pack("<BHBQQ", 0x10, length - 12, 0, at, length)


def node_below_itself(content: bytearray) -> None:
    at = content.index(b"BTIN")
    first = struct.unpack_from("<H", content, content.index(b"BTHD\0\x08") + 24)[0]
    content[at + 6 + 17 * first : at + 6 + 17 * first + 8] = struct.pack("<Q", at)


def tree_of_many_records(content: bytearray) -> None:
    at = content.index(b"BTHD\0\x05")
    content[at + 26 : at + 34] = struct.pack("<Q", 2**40)


def heap_of_another_shape(content: bytearray) -> None:
    at = content.index(b"FRHP")
    content[at + 112 : at + 120] = struct.pack("<Q", 2**50)


def chunks_of_nothing(content: bytearray) -> None:
    at = content.index(b"\x04\x02\x00\x02\x02\x00\x02\x08")  # of a series: version, class, flags, axes, width, 512, 8
    content[at + 5 : at + 7] = bytes(2)


def a_heap_with_another_tree(content: bytearray) -> None:
    at = content.index(b"FRHP")
    content[at + 22 : at + 30] = struct.pack("<Q", content.index(b"BTHD"))


def a_layout_beyond_the_end(content: bytearray) -> None:
    at = content.index(b"\x03\x01", content.index(b"OHDR", 100))
    content[at + 2 : at + 10] = struct.pack("<Q", 2**60)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (continued_in_itself, "an object header continues in itself"),
        (node_below_itself, "is used twice"),
        (tree_of_many_records, "states 1,099,511,627,776 records and has"),
        (heap_of_another_shape, "is of another form"),
        (a_heap_with_another_tree, "is of another form"),
        (chunks_of_nothing, "damaged chunks"),
        (a_layout_beyond_the_end, "values that are not within the file"),
    ],
)
def test_forged_metadata_with_right_checksums_is_refused(
    change: Callable[[bytearray], None], words: str, whole: bytes, path: Path
) -> None:
    content = bytearray(whole)
    change(content)
    path.write_bytes(content)
    mend_checksums(path)
    assert words in refused(path)


# -- bombs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["step", "x", "population"])
def test_series_and_axes_are_never_inflated(name: str, path: Path) -> None:
    with h5py.File(path, "r+", **FORMAT) as file:
        values, scales = file[name][()], dict(file[name].attrs)
        axes = [(data, axis) for data in file.values() if isinstance(data, h5py.Dataset) for axis in range(data.ndim)]
        held = [(data, axis) for data, axis in axes if len(data.dims[axis]) and data.dims[axis][0].name == f"/{name}"]
        time = file["time"]
        for data, axis in held:
            data.dims[axis].detach_scale(file[name])
        del file[name]
        made = file.create_dataset(name, values.shape, values.dtype, maxshape=(None,), chunks=(512,), compression="gzip")
        made.attrs.update({key: value for key, value in scales.items() if key not in checksums.HDF5_ATTRIBUTES})
        if "CLASS" in scales:
            made.make_scale(name)
        else:
            made.dims[0].attach_scale(time)
        for data, axis in held:
            data.dims[axis].attach_scale(made)
        file.attrs[checksums.LAYOUT] = checksums.of_layout(file)
        made.id.write_direct_chunk((0,), zlib.compress(bytes(2**24), 9))
    with pytest.raises(RecordingError, match=f"{name} is compressed, which no recording's is"):
        read_series(path)


def read_series(path: Path) -> None:
    with Recording(path) as recording:
        assert len(recording.steps)
        recording.observable("population")


def test_filters_in_another_order_are_refused(path: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4,))
    for _ in range(2):  # a bomb in a bomb
        plist.set_deflate(1)
    with h5py.File(path, "r+", **FORMAT) as file:
        space = h5py.h5s.create_simple((4,), (h5py.h5s.UNLIMITED,))
        h5py.h5d.create(file.id, b"odd", h5py.h5t.NATIVE_INT32, space, plist)
    assert "odd has the HDF5 filters [1, 1]; expected shuffle, one that compresses" in refused(path)


LZ4: dict[str, Any] = schema.filters("fast")
PLAIN_LZ4 = LZ4 | {"shuffle": False, "fletcher32": False}
CHECKED = {"compression": 4, "fletcher32": True}


@pytest.mark.parametrize(
    ("filters", "stored", "words"),
    [
        (PLAIN_LZ4, bytes(10_000), "is stored in more than"),
        (PLAIN_LZ4, struct.pack(">QI", 768, 0), "not all there"),  # no end, in blocks of no bytes
        (PLAIN_LZ4, struct.pack(">QII", 768, 768, 2**31), "not all there"),
        (PLAIN_LZ4, bytes(6), "not all there"),
        (PLAIN_LZ4, struct.pack(">QII", 16, 16, 16) + bytes(16), "would decode to fewer"),
        (CHECKED, b"ab", "its checksum does not match"),  # HDF5 would read on beyond the end
        ({"compression": 4}, zlib.compress(bytes(700)), "would decode to fewer"),
        ({"compression": 4}, zlib.compress(bytes(800)), "would decode to more"),
        ({"compression": 4}, b"plainly not deflated", "cannot be inflated"),
        ({"shuffle": True}, bytes(100), "would decode to fewer"),
    ],
)
def test_a_chunk_that_would_lead_its_decoder_astray_is_refused(
    filters: dict[str, Any], stored: bytes, words: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        shape: dict[str, Any] = {"shape": (1, 12, 16), "maxshape": (None, 12, 16), "chunks": (1, 12, 16)}
        data = file.create_dataset("x", dtype=np.float32, **shape, **filters)
        data.id.write_direct_chunk((0, 0, 0), stored)
        with pytest.raises(ValueError, match=words):
            read_row(data, 0)


# -- what is let through -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 9, 60])
@pytest.mark.parametrize(("grid", "batch"), [((7,), 1), ((4, 5), 3), ((3, 4, 5), 2)])
def test_recordings_of_any_fields_are_let_through(count: int, grid: tuple[int, ...], batch: int) -> None:
    fields = tuple(Field(f"field_{i}", "a field", "1", (0.0, 1.0), _no_cells, scalar=i % 5 == 4) for i in range(count))
    image = io.BytesIO()
    with h5py.File(image, "w", **FORMAT) as file:
        attributes: dict[str, Any] = {"config": "x" * 200_000, "grid": np.array(grid), "deterministic": True, "dt": 0.5}
        schema.create(file, Request(fields, None, "float16"), grid=grid, batch=batch, codec="gzip", attributes=attributes)
    assert check_structure(image, Path("run.h5")).damaged == {}


def _no_cells(*_: Any) -> Any:
    raise NotImplementedError


def test_recordings_of_all_schemas_and_attributes_of_other_programs_are_let_through(path: Path) -> None:
    with h5py.File(path, "r+") as file:  # in HDF5's oldest form
        file.attrs["comment"] = "text"
        file.attrs["numbers"] = np.arange(40.0)
    with h5py.File(path, "r+", **FORMAT) as file:  # with B-trees by order, too
        group = file.create_group("more", track_order=True)
        for number in range(50):
            group.attrs[f"attribute {number}"] = number
            group.create_group(f"group {number}")
        group.attrs["large"] = np.arange(50_000.0)
    for one in (path, *GOLDEN.glob("*.h5")):
        with one.open("rb") as content:
            assert check_structure(content, one).damaged == {}
