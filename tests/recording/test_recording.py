"""Recordings: the file equals the frames in memory, opens everywhere, and survives its writer."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import psutil
import pytest
import torch
import xarray
from torch import Tensor, nn

from aetheria import GrowingNCA, Law, Life
from aetheria.core.errors import ConfigError, DiskFullError, DivergedError, RecordingError
from aetheria.core.failpoints import on_failpoints
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.frame import Frame
from aetheria.recording import Recorder, Recording, schema
from aetheria.recording.frame_writer import FrameWriter
from aetheria.recording.growing_file import GrowingFile
from aetheria.recording.schema import Codec
from aetheria.recording.superblock import read_superblock

EAGER = {"plan": "eager"}


def nca(batch: int = 1) -> Aetheria_Motor:
    law = GrowingNCA(channels=5, hidden_channels=8)
    torch.manual_seed(0)
    nn.init.normal_(law.update.weight, std=0.1)
    return Aetheria_Motor(law, (12, 20), 5, "cpu", EAGER, initial="noise", batch=batch)


def life(size: int = 16) -> Aetheria_Motor:
    return Aetheria_Motor(Life(), size, 1, "cpu", EAGER, seed=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [None, (6, 5)])
@pytest.mark.parametrize(("dtype", "codec"), [("float32", "gzip"), ("float16", "fast"), ("uint8", "compact")])
def test_a_file_equals_the_frames_in_memory(path: Path, batch: int, size: Any, dtype: Any, codec: Any) -> None:
    motor = nca(batch)
    wanted: dict[str, Any] = {"fields": ["rgb", "channel_3", "population"], "every": 3, "size": size, "dtype": dtype}
    wanted["levels"] = {"channel_3": (-1.0, 2.0)} if dtype == "uint8" else None
    memory = motor.subscribe(**wanted, delivery="lossless", capacity=100)
    with Recorder(motor, path, codec=codec, **wanted):
        motor.step(20)
    memory.close()
    with Recording(path) as recording:
        assert recording.status == "done"
        assert list(recording.steps) == [0, 3, 6, 9, 12, 15, 18]
        for kept, read in zip(memory, recording, strict=True):
            assert (kept.step, kept.wall_time) == (read.step, pytest.approx(read.wall_time, abs=5))
            assert kept.fields.keys() == read.fields.keys()
            for name in kept.fields:
                assert kept[name].dtype == read[name].dtype
                np.testing.assert_array_equal(kept[name], read[name])


def test_another_process_reads_every_codec(tmp_path: Path) -> None:
    motor = life()
    paths, sums = [], []
    for codec in get_args(Codec):
        paths.append(str(tmp_path / f"{codec}.h5"))
        with Recorder(motor, paths[-1], codec=codec):
            motor.step(2)
        sums.append(float(motor.cells.sum()))
    code = "import sys; from aetheria import Recording; print(*(Recording(p)[2]['channel_0'].sum() for p in sys.argv[1:]))"
    result = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert [float(part) for part in result.stdout.split()] == sums
    assert len(set(sums)) == 3


def test_every_axis_has_a_dimension_scale_and_every_series_its_attributes(path: Path) -> None:
    motor = nca(batch=2)
    with Recorder(motor, path, fields=["rgb", "density", "population"], every=5, size=(6, 10), config="steps = 5\n"):
        motor.step(5)
    with h5py.File(path) as file:
        axes = {name: [d[0].name for d in file[name].dims] for name in ("rgb", "density", "population", "step", "wall_time")}
        assert axes == {
            "rgb": ["/time", "/universe", "/y", "/x", "/colour"],
            "density": ["/time", "/universe", "/y", "/x"],
            "population": ["/time", "/universe"],
            "step": ["/time"],
            "wall_time": ["/time"],
        }
        np.testing.assert_allclose(file["y"], [0.5, 2.5, 4.5, 6.5, 8.5, 10.5])  # centres of areas of two cells
        density = file["density"]
        assert density.chunks == (1, 2, 6, 10)
        assert (density.compression, density.compression_opts, density.shuffle, density.fletcher32) == ("gzip", 1, True, True)
        attributes = dict(file.attrs)
        assert attributes["config"] == "steps = 5\n"
        assert attributes["Conventions"] == "CF-1.11 Aetheria-3"
        wanted = {"config_sha256", "seed", "law", "weights_sha256", "torch_version", "device", "precision", "every", "grid"}
        assert wanted <= attributes.keys()


@pytest.mark.parametrize(
    ("frame", "itemsize", "chunk"),
    [
        ((96, 96), 4, (1, 96, 96)),
        ((1024, 1024), 4, (1, 1024, 1024)),
        ((4096, 4096), 4, (1, 256, 4096)),
        ((8, 1024, 1024), 4, (1, 1, 1024, 1024)),
        ((3, 2048, 2048), 4, (1, 1, 512, 2048)),
    ],
)
def test_a_chunk_is_one_frame_up_to_4_mib(frame: tuple[int, ...], itemsize: int, chunk: tuple[int, ...]) -> None:
    assert schema.chunk_shape(frame, itemsize) == chunk


def test_xarray_opens_a_recording_and_decodes_pixels(path: Path) -> None:
    motor = nca()
    with Recorder(motor, path, fields=["channel_3"], dtype="uint8", levels={"channel_3": (-4.0, 4.0)}):
        motor.step(4)
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        assert dict(dataset.sizes) == {"time": 5, "y": 12, "x": 20}
        shown = dataset["channel_3"].isel(time=4).values
    np.testing.assert_allclose(shown, motor.cells[0, 3].numpy(), atol=4.0 / 255 + 1e-6)
    with Recording(path) as recording:
        lazily = recording.to_xarray()
        assert list(lazily["step"]) == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(lazily["channel_3"].isel(time=4), shown)


def test_time_is_in_units_of_the_law(path: Path) -> None:
    class Half(Law):
        channels = 1
        dt = 0.5

        def forward(self, cells: Tensor) -> Tensor:
            return cells * 1

    motor = Aetheria_Motor(Half(), 4, 1, "cpu", EAGER)
    with Recorder(motor, path, every=2):
        motor.step(4)
    with h5py.File(path) as file:
        assert list(file["time"]) == [0, 1, 2]


def test_a_reader_follows_a_recording_that_grows(path: Path) -> None:
    motor = life()
    with Recorder(motor, path, every=1) as recorder:
        motor.step(3)
        _wait(lambda: recorder.frames == 4)
        with Recording(path) as recording:
            held = recording.dataset("channel_0")
            assert (recording.status, len(recording)) == ("running", 4)
            motor.step(3)
            _wait(lambda: len(recording) == 7)
            np.testing.assert_array_equal(recording[-1]["channel_0"], motor.cells[:, 0])
            np.testing.assert_array_equal(held[6], motor.cells[0, 0])
    with Recording(path) as recording:
        assert recording.status == "done"


def test_rows_stay_apart_while_a_dataset_is_held(path: Path) -> None:
    motor = life()
    with Recorder(motor, path):
        motor.step(6)
    expected = life()
    with Recording(path) as recording:
        _held = recording.dataset("channel_0")  # a second handle once made every row read as the first
        for frame in recording:
            np.testing.assert_array_equal(frame["channel_0"], expected.cells[:, 0])
            expected.step()


def test_observables_are_read_over_time(path: Path) -> None:
    motor = life()
    with Recorder(motor, path, fields=["channel_0", "population"]):
        motor.step(5)
    with Recording(path) as recording:
        counted = [float(frame["channel_0"].sum()) for frame in recording]
        assert recording.observable("population")[:, 0].tolist() == counted
        with pytest.raises(RecordingError, match="did you mean population"):
            recording.observable("populaton")
        with pytest.raises(RecordingError, match='field "phase" not recorded'):
            recording.dataset("phase")


def test_only_the_frame_asked_for_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motor = life()
    with Recorder(motor, path, fields=["channel_0", "energy"]):
        motor.step(5)
    read: list[tuple[str, int]] = []
    original = Recording.read

    def spy(self: Recording, name: str, index: int) -> Any:
        read.append((name, index))
        return original(self, name, index)

    monkeypatch.setattr(Recording, "read", spy)
    with Recording(path) as recording:
        assert read == []
        _ = recording[-2]["energy"]
    assert read == [("energy", 4)]


_KILLED = """
import sys, torch
from aetheria import Aetheria_Motor, Life, Recorder
torch.set_num_threads(1)
motor = Aetheria_Motor(Life(), 64, 1, "cpu", {"plan": "eager"}, seed=4)
with Recorder(motor, sys.argv[1], every=1) as recorder:
    while True:
        motor.step(1)
        if recorder.frames > 20:
            print(recorder.frames, flush=True)
"""


def test_what_was_committed_is_readable_after_kill_9(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    promised = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    expected = Aetheria_Motor(Life(), 64, 1, "cpu", EAGER, seed=4)
    with Recording(path) as recording:
        assert recording.status == "running"
        assert len(recording) >= promised
        for frame in recording:
            np.testing.assert_array_equal(frame["channel_0"], expected.cells[:, 0])
            expected.step()
        assert recording.to_xarray().sizes["time"] == len(recording)
    with h5py.File(path, "r", swmr=True) as file:
        assert int(file["frames"][()]) >= promised


def test_a_diverged_run_keeps_its_last_good_frame(path: Path) -> None:
    class Explodes(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return torch.where(cells >= 6, torch.nan, cells + 1)

    motor = Aetheria_Motor(Explodes(), 4, 1, "cpu", EAGER, initial=torch.zeros(1, 4, 4))
    with pytest.raises(DivergedError, match="at step 8"), Recorder(motor, path, every=2):
        motor.step(100)
    with Recording(path) as recording:
        assert recording.status == "diverged"
        assert list(recording.steps) == [0, 2, 4, 6]
        assert all(np.isfinite(frame["channel_0"]).all() for frame in recording)


def test_values_that_overflow_what_is_recorded_end_the_run(path: Path) -> None:
    class Grows(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return cells * 10

    def record(dtype: Any, field: str) -> None:
        motor = Aetheria_Motor(Grows(), 4, 1, "cpu", EAGER, initial=torch.ones(1, 4, 4))
        with Recorder(motor, path, fields=[field], dtype=dtype, overwrite=True):
            motor.step(30)

    with pytest.raises(ConfigError, match="leaves the range of float16, 65504, at step 5"):
        record("float16", "channel_0")
    with Recording(path) as recording:
        assert (recording.status, len(recording)) == ("failed", 5)
    # The cells stay finite: their square does not.
    with pytest.raises(DivergedError, match="density holds NaN or Inf at step 20"):
        record("float32", "density")
    with Recording(path) as recording:
        assert (recording.status, len(recording)) == ("diverged", 20)


def test_a_failing_writer_stops_the_run_within_one_frame(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = FrameWriter._commit

    def fails(self: FrameWriter, frame: Frame) -> None:
        if frame.step == 30:
            raise OSError("input/output error")
        original(self, frame)

    monkeypatch.setattr(FrameWriter, "_commit", fails)
    motor = life()
    recorder = Recorder(motor, path, every=10)
    motor.step(30)
    _wait(lambda: recorder._writer.ended)
    with pytest.raises(RecordingError, match=r"run.h5: cannot be written after 3 frames; input/output error"):
        motor.step(100)
    assert motor.step_count == 40
    with pytest.raises(RecordingError):
        recorder.finish()
    with Recording(path) as recording:
        assert (recording.status, len(recording)) == ("failed", 3)


def test_the_motor_goes_on_after_a_recorder_that_failed_was_finished(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: FrameWriter, frame: Frame) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(FrameWriter, "_commit", fails)
    motor = life()
    with pytest.raises(RecordingError, match="input/output error"), Recorder(motor, path) as recorder:
        _step_until_stopped(motor, recorder)
    stopped = motor.step_count
    motor.step(5)
    assert motor.step_count == stopped + 5


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_full_disk_is_told_from_other_failures(path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    motor = life()
    if when == "before":
        monkeypatch.setattr(psutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    else:

        def full(self: GrowingFile, *_: object) -> None:
            monkeypatch.setattr(psutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
            raise RuntimeError("unable to write")  # how HDF5 puts it

        monkeypatch.setattr(GrowingFile, "append", full)
    with pytest.raises(DiskFullError, match="the disk is full; 0 frames are kept") as caught, Recorder(motor, path) as recorder:
        _step_until_stopped(motor, recorder)
    assert caught.value.exit_code == 3
    with Recording(path) as recording:
        assert recording.status == "disk full"


def test_a_file_that_is_there_is_one_that_grows(path: Path) -> None:
    """A reader that found it before its writer had it open would lock it, and the writer could not open it."""
    motor = life()
    with Recorder(motor, path):
        motor.step(2)
    before, seen = path.read_bytes(), {}

    def look(moment: str) -> None:
        if moment.startswith("recording ") and moment != "recording closed":
            superblock = read_superblock(path)
            seen[moment] = path.read_bytes() == before, superblock is not None and superblock.writing

    with on_failpoints(look), Recorder(motor, path, overwrite=True):
        motor.step(2)
    old, growing = (True, False), (False, True)
    assert seen == {"recording laid out": old, "recording opened": old, "recording in place": growing}


def test_a_file_that_cannot_take_its_name_leaves_the_one_that_had_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motor = life()
    with Recorder(motor, path):
        motor.step(2)
    before, descriptors = path.read_bytes(), len(psutil.Process().open_files())

    def refuses(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", refuses)
        with pytest.raises(RecordingError, match=r"cannot be written after 0 frames; .*Input/output error"):
            Recorder(motor, path, overwrite=True)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert len(psutil.Process().open_files()) == descriptors


def test_a_recording_that_somebody_reads_otherwise_is_not_gone_on_with(path: Path) -> None:
    motor = life()
    with Recorder(motor, path) as recorder:
        motor.step(2)
        position = recorder.sync()
    reads = "import h5py, sys; file = h5py.File(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", reads, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        with pytest.raises(RecordingError, match="is open in another program, as a finished recording; close it there"):
            Recorder(motor, path, resume=position)
        assert reader.stdin is not None
        reader.stdin.close()
    Recorder(motor, path, resume=position).finish()


def test_bad_outputs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    existing = tmp_path / "there.h5"
    existing.write_bytes(b"precious")
    motor = life()
    for target, words in [
        (existing, r"there.h5: exists; use --overwrite"),
        (tmp_path / "no" / "run.h5", "does not exist; make it"),
        (tmp_path, "is a folder"),
    ]:
        with pytest.raises(ConfigError, match=words):
            Recorder(motor, target)
    with pytest.raises(ConfigError, match="did you mean population"):
        Recorder(motor, existing, fields=["populaton"], overwrite=True)
    with pytest.raises(ConfigError, match='codec: "zip" given'):
        Recorder(motor, existing, codec="zip", overwrite=True)  # type: ignore[arg-type]
    assert existing.read_bytes() == b"precious"
    motor.step(5)
    assert motor.optimizer.transfer_stats.frames == 0, "a refused recorder must not stay subscribed"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)  # root may write anywhere, so the system's answer is acted
    with pytest.raises(ConfigError, match="cannot be written to; Permission denied"):
        Recorder(life(), tmp_path / "run.h5")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"", "is empty"), (b"\x89HDF\r\n\x1a\n" + b"x" * 500, "cannot be read as HDF5")],
)
def test_what_is_no_recording_is_refused(path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=words):
        Recording(path)


def test_other_hdf5_files_and_other_schemas_are_refused(path: Path) -> None:
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file["something"] = [1, 2, 3]
    with pytest.raises(RecordingError, match="is not an Aetheria recording"):
        Recording(path)
    with h5py.File(path, "a") as file:
        file.attrs["aetheria_schema"] = 99
    with pytest.raises(RecordingError, match="has schema 99; expected schema 1 or 2 or 3"):
        Recording(path)


def test_a_recording_with_parts_missing_is_called_damaged(path: Path) -> None:
    motor = life()
    with Recorder(motor, path):
        motor.step(2)
    with h5py.File(path, "a") as file:
        del file["frames"]
    with pytest.raises(RecordingError, match=r"is damaged; .*frames"):
        Recording(path)


_GROWS = """
import sys
from aetheria import Life
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder

motor = Aetheria_Motor(Life(), 16, 1, "cpu", {"plan": "eager"}, seed=1)
with Recorder(motor, sys.argv[1], fields=["channel_0"]) as recorder:
    for line in sys.stdin:
        motor.step(5)
        while recorder.frames <= motor.step_count:
            pass
        print(recorder.frames, flush=True)
"""


_BEGINS = """
import sys
from aetheria import Life, Recorder
from aetheria.motor.motor import Aetheria_Motor

motor = Aetheria_Motor(Life(), (12, 20), 1, "cpu", {"plan": "eager"})
with Recorder(motor, sys.argv[1], fields=["channel_0"]) as recorder:
    print("open", flush=True)
    for line in sys.stdin:
        motor.step(3)
        recorder.sync()
        print(recorder.frames, flush=True)
"""


def test_a_reader_that_comes_before_the_first_frame_sees_those_that_follow(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _BEGINS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with Recording(path) as recording:
            assert (len(recording), recording.edit_count) == (0, 0)
            for count in (4, 7):
                writer.stdin.write("on\n")
                assert int(writer.stdout.readline()) == count
                assert list(recording.steps) == list(range(count))


def test_a_file_that_grows_can_be_read_twice_in_one_process(path: Path) -> None:
    frames = []
    with life() as motor:
        for _ in range(101):
            frames.append(motor.cells[0, 0].numpy().copy())
            motor.step(1)
    with subprocess.Popen(
        [sys.executable, "-c", _GROWS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        recordings: list[Recording] = []
        for count in range(6, 102, 5):
            writer.stdin.write("on\n")
            assert int(writer.stdout.readline()) == count
            recordings = recordings or [Recording(path), Recording(path)]
            for recording in (*recordings, recordings[0]):
                assert list(recording.steps) == list(range(count))
                for frame in [recording[index] for index in range(-6, 0)]:
                    np.testing.assert_array_equal(frame["channel_0"][0], frames[frame.step])
        for recording in recordings:
            recording.close()
            recording.close()
        writer.stdin.close()


_READ = """
import sys
from aetheria import Recording
from aetheria.core.errors import RecordingError

for path in sys.argv[1:]:
    try:
        with Recording(path) as recording:
            recording[150]["channel_0"]
    except RecordingError as error:
        print(error)
"""


def test_a_damaged_file_is_refused_soon(path: Path) -> None:
    motor = life()
    with Recorder(motor, path):
        motor.step(200)
    whole = path.read_bytes()
    bad_checksums = bytearray(whole)
    for found in re.finditer(b"EADB|EAIB", whole):  # blocks of the index of chunks
        bad_checksums[found.start() + 12] ^= 0xFF
    paths = [path.with_name("short.h5"), path.with_name("checksums.h5")]
    for damaged, contents in zip(paths, (whole[: len(whole) // 2], bytes(bad_checksums)), strict=True):
        damaged.write_bytes(contents)
    # In a process of its own: while HDF5 looks again and again, no other thread may use it, nor may the process end.
    command = [sys.executable, "-c", _READ, *map(str, paths)]
    read = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    for damaged, said in zip(paths, read.stdout.splitlines(), strict=True):
        assert f"{damaged.name}: " in said
        assert "is damaged" in said


@pytest.fixture
def counting() -> Iterator[Aetheria_Motor]:
    with life(64) as motor:
        yield motor


def test_memory_and_threads_do_not_grow_with_steps(counting: Aetheria_Motor, path: Path) -> None:
    process, motor = psutil.Process(os.getpid()), counting
    threads = threading.active_count()
    with Recorder(motor, path, every=10) as recorder:
        motor.step(200)
        _wait(lambda: recorder.frames == 21)
        early = process.memory_info().rss
        motor.step(19_800)
        _wait(lambda: recorder.frames == 2001)
        late = process.memory_info().rss
    assert motor.step_count == 20_000
    # HDF5's own index of 2,000 chunks is a few hundred KiB; 2,000 leaked frames would be 33 MB.
    assert late - early < 2 * 2**20
    assert threading.active_count() == threads


def _step_until_stopped(motor: Aetheria_Motor, recorder: Recorder) -> None:
    motor.step(1)
    _wait(lambda: recorder._writer.ended)
    motor.step(1)


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 30 s"
        time.sleep(0.005)
