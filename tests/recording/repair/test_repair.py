"""Repair: saved frames are bit for bit those recorded, and the damaged file is not changed."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from aetheria import Aetheria_Motor, Life, Recorder, Recording
from aetheria.cli import app
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.recording.hdf5_checksums import checksum_patches
from aetheria.recording.lock import WriteLock
from aetheria.recording.repair.repair import repair
from aetheria.recording.repair.salvage import RepairReport, expand_rows, salvage
from aetheria.recording.superblock import checksum
from tests.paths import GOLDEN


def record(path: Path, steps: int = 40, **options: Any) -> None:
    motor = Aetheria_Motor(Life(), (12, 16), 1, "cpu", {"plan": "eager"}, seed=3, batch=2)
    with motor, Recorder(motor, path, fields=["channel_0", "population"], every=2, config="title = 'x'", **options):
        motor.step(10)
        motor.set_cells(torch.ones(1, 3, 3), at=(4, 5), universe=1)
        motor.step(10)
        motor.set_control("rule", "B36/S23")
        motor.step(steps - 20)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repair") / "original.h5"
    record(path)
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    shutil.copy(original, tmp_path / "run.h5")
    return tmp_path / "run.h5"


@pytest.fixture
def out(path: Path) -> Path:
    return path.with_name("out.h5")


def in_this_process(path: Path, out: Path, skip: Sequence[str]) -> tuple[int, str]:
    try:
        saved = salvage(path, out, skip, lambda _: None)
    except RecordingError as error:
        return 0, json.dumps({"error": str(error)})
    return 0, json.dumps(dataclasses.asdict(saved))


def contents(path: Path) -> dict[int, tuple[bytes, ...]]:
    """All that each frame holds, by step."""
    with Recording(path) as recording:
        return {
            frame.step: (
                *(np.ascontiguousarray(frame[name]).tobytes() for name in frame.fields),
                np.float64(frame.wall_time).tobytes(),
                bytes([frame.edits]),
            )
            for frame in recording
        }


def compare(out: Path, original: Path, saved: RepairReport) -> None:
    """Every frame that was saved is that of the original; it is a whole file that any program opens."""
    was, now = contents(original), contents(out)
    assert now == {step: was[step] for step in now}
    assert len(now) == saved.frames
    with Recording(original) as then, Recording(out) as recording, h5py.File(out) as file:
        assert list(recording.steps) == sorted(recording.steps)
        assert (recording.status, recording.note) == ("done", "")
        assert recording.edits == then.edits[: saved.edits] or len(recording.edits) == saved.edits
        assert len(file["step"]) == file["frames"][()] == saved.frames
        assert recording.attributes["aetheria_schema"] == 3


def index_of(path: Path, name: str, row: int) -> tuple[int, int]:
    """Where the chunk of a row lies, and how long it is."""
    with h5py.File(path) as file:
        data = file[name]
        about = data.id.get_chunk_info_by_coord((row, *(0,) * (data.ndim - 1)))
        return about.byte_offset, about.size


def turn(path: Path, at: int, mask: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= mask
    path.write_bytes(content)


def test_of_a_file_that_is_whole_everything_is_saved(path: Path, out: Path, original: Path) -> None:
    saved = repair(path, out)  # in a process of its own
    assert (saved.counted, saved.frames, saved.lost, saved.edits, saved.problems) == (21, 21, [], 2, [])
    assert saved.complete
    compare(out, original, saved)
    with Recording(path) as before, Recording(out) as after:
        assert after.config == before.config
        changed = {k for k, v in before.attributes.items() if np.any(after.attributes[k] != v)}
        assert (changed, set(after.attributes) - set(before.attributes)) == (set(), {"repaired"})
    with h5py.File(path) as was, h5py.File(out) as now:
        for name in ("channel_0", "population", "y", "universe"):
            assert (now[name].dtype, now[name].shape, now[name].compression) == (
                was[name].dtype,
                was[name].shape,
                was[name].compression,
            )
            assert now[name].attrs["long_name"] == was[name].attrs["long_name"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_recording_of_each_schema_comes_out_whole_and_of_the_newest(version: int, out: Path) -> None:
    golden = GOLDEN / f"schema_{version}.h5"
    saved = repair(golden, out, attempt=in_this_process)
    assert saved.complete
    compare(out, golden, saved)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "uint8", "size": 6, "levels": {"channel_0": (0.0, 1.3)}},
        {"dtype": "float16", "codec": "fast"},
        {"codec": "compact"},
    ],
)
def test_other_types_and_codecs_come_out_as_they_were(options: dict[str, Any], path: Path, out: Path) -> None:
    record(path, overwrite=True, **options)
    compare(out, path, repair(path, out, attempt=in_this_process))


def test_one_damaged_frame_is_left_out_and_told_and_the_file_stays_as_it_is(path: Path, out: Path, original: Path) -> None:
    at, size = index_of(path, "channel_0", 7)
    turn(path, at + size // 2)
    given = path.read_bytes()
    saved = repair(path, out, attempt=in_this_process)
    assert path.read_bytes() == given
    assert (saved.counted, saved.frames, saved.lost) == (21, 20, [(7, 14)])
    assert saved.losses() == ["frame 7 (step 14)"]
    assert "frame 7: " in saved.problems[0]
    compare(out, original, saved)
    with Recording(path) as damaged, Recording(out) as repaired:  # no checkpoint of the one fits the other
        assert damaged.attributes["id"] != repaired.attributes["id"]


def test_a_damaged_row_and_what_edits_follow_a_damaged_one_are_lost(path: Path, out: Path, original: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["wall_time"][3] += 1.0
        file["log/edits"][-20] ^= 1
    saved = repair(path, out, attempt=in_this_process)
    assert saved.lost == [(3, None)]
    assert (saved.edits, saved.edits_lost, saved.complete) == (1, True, False)
    assert saved.losses() == ["frame 3 (step ?)", "edits from 1 on"]
    compare(out, original, saved)


@pytest.mark.parametrize("at", [0, 11, 30, 46])
def test_a_damaged_superblock_is_made_anew(at: int, path: Path, out: Path, original: Path) -> None:
    turn(path, at, 0x55)
    with pytest.raises(RecordingError, match=r"`aetheria repair .*run\.h5` saves what can be read"):
        Recording(path)
    saved = repair(path, out, attempt=in_this_process)
    assert saved.frames == 21
    compare(out, original, saved)


@pytest.mark.parametrize("signature", [b"OHDR", b"OCHK", b"EAHD", b"EAIB", b"EADB", b"FHDB"])
def test_a_block_whose_checksum_alone_is_wrong_is_read(signature: bytes, path: Path, out: Path, original: Path) -> None:
    # As where a process is killed in the middle of writing it: what follows the signature is good, old or new.
    first = path.read_bytes().index(signature)
    check = next(found for found in (_check_of(path, at) for at in range(first + 6, first + 200)) if found is not None)
    turn(path, check)
    assert len(checksum_patches(path)[0]) == 2
    saved = repair(path, out, attempt=in_this_process)
    assert (saved.frames, saved.problems) == (21, ["1 checksums of HDF5's metadata did not match"])
    compare(out, original, saved)


def _check_of(path: Path, at: int) -> int | None:
    """Where the checksum of the block lies that byte `at` is in; None where that byte says what other blocks there are."""
    turn(path, at)
    patches = checksum_patches(path)[0]
    turn(path, at)
    return max(patches) if len(patches) == 2 and at not in range(max(patches), max(patches) + 4) else None


def test_wherever_a_file_is_cut_what_is_saved_is_right(path: Path, out: Path, original: Path) -> None:
    content, frames = path.read_bytes(), []
    for length in (*range(0, len(content), 15_001), len(content)):
        path.write_bytes(content[:length])
        try:
            saved = repair(path, out, overwrite=True, attempt=in_this_process)
        except RecordingError:
            frames.append(0)
            continue
        frames.append(saved.frames)
        compare(out, original, saved)
    assert frames == sorted(frames)
    assert frames[0] < frames[-1]


def test_a_row_that_crashes_hdf5_is_passed_over_and_then_more_at_a_time(path: Path, out: Path, original: Path) -> None:
    tried: list[list[str]] = []

    def crashing(path: Path, out: Path, skip: Sequence[str]) -> tuple[int | None, str]:
        tried.append(list(skip))
        skipped = {name for entry in skip for name in expand_rows(entry)}
        said: list[str] = []

        def say(what: str) -> None:
            said.append(what)
            if what in ("edits", "4", "9", "10", "20") and what not in skipped:
                raise KeyboardInterrupt

        try:
            saved = salvage(path, out, skipped, say)
        except KeyboardInterrupt:
            return (None if said[-1] == "9" else -11), "\n".join(said)
        return 0, "\n".join([*said, json.dumps(dataclasses.asdict(saved))])

    saved = repair(path, out, attempt=crashing)
    assert tried == [[], ["edits"], ["edits", "4:1"], ["edits", "4:1", "9:2"], ["edits", "4:1", "9:2", "20:4"]]
    assert [row for row, _ in saved.lost] == [4, 9, 10, 20]
    assert (saved.frames, saved.edits, saved.edits_lost) == (17, 0, True)
    assert "frames 9 to 10 (step ? to ?)" in saved.losses()
    compare(out, original, saved)


def test_a_file_that_crashes_hdf5_before_any_row_or_hangs_is_an_error(
    path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordingError, match="nothing can be saved; reading it ends HDF5 with -11"):
        repair(path, out, attempt=lambda *_: (-11, "Segmentation fault"))
    monkeypatch.setattr("aetheria.recording.repair.repair._TIMEOUT_S", -60.0)  # over before it begins
    with pytest.raises(RecordingError, match="nothing can be saved; reading it hangs"):
        repair(path, out)
    assert [file.name for file in path.parent.iterdir()] == ["run.h5"]


def test_texts_that_cannot_be_read_are_empty_and_told(path: Path, out: Path, original: Path) -> None:
    turn(path, path.read_bytes().index(b"title = 'x'") - 16, 0x7F)  # the number by which the heap knows this text
    saved = repair(path, out, attempt=in_this_process)
    assert any("attribute config cannot be read" in line for line in saved.problems)
    compare(out, original, saved)
    with Recording(out) as recording:
        assert (recording.config, recording.attributes["codec"], len(recording)) == ("", "gzip", 21)


def test_frames_that_were_written_and_not_yet_counted_are_saved_too(path: Path, out: Path, original: Path) -> None:
    content = path.read_bytes()
    with h5py.File(path) as file:
        count, status = file["frames"].id.get_offset(), file["status"].id.get_offset()
    killed = bytearray(content)
    killed[count], killed[status : status + 16] = 20, b"running".ljust(16, b"\0")
    path.write_bytes(killed)
    saved = repair(path, out, attempt=in_this_process)
    assert (saved.counted, saved.frames, saved.uncounted, saved.complete) == (20, 21, 1, True)
    with Recording(out) as recording:
        assert recording.status == "interrupted"
    killed[count] = 200  # more than there are: then all that are there count
    path.write_bytes(killed)
    saved = repair(path, out, overwrite=True, attempt=in_this_process)
    assert (saved.counted, saved.frames) == (21, 21)
    assert contents(out) == contents(original)


def test_what_may_not_be_written_or_is_being_written_is_refused(path: Path, out: Path) -> None:
    out.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="exists; use --overwrite"):
        repair(path, out)
    with pytest.raises(ConfigError, match="is the file to repair"):
        repair(path, path, overwrite=True)
    lock = WriteLock(path)
    with pytest.raises(RecordingError, match="is being written"):
        repair(path, out, overwrite=True)
    lock.release()
    assert out.read_bytes() == b"mine"
    with pytest.raises(RecordingError, match="no such file"):
        repair(path.with_name("none.h5"), out)


def test_other_files_and_hostile_ones_are_refused(path: Path, out: Path) -> None:
    for content in (b"", b"plainly not a recording", bytes(100_000)):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="nothing can be saved"):
            repair(path, out, attempt=in_this_process)
    with h5py.File(path, "w", libver="latest") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(RecordingError, match="is a link to another file"):
        repair(path, out, attempt=in_this_process)


def test_the_command_tells_what_was_saved_and_what_was_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.recording.repair.repair.salvage_in_subprocess", in_this_process)
    at, size = index_of(path, "channel_0", 7)
    turn(path, at + size // 2)
    done = CliRunner().invoke(app, ["repair", str(path)])
    assert done.exit_code == 6
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        f"saved in part {path.with_name('run.repaired.h5')}: 20 of 21 frames, 2 edits",
        "  lost   frame 7 (step 14)",
    ]
    assert lines[2].startswith("  found  frame 7: ")
    done = CliRunner().invoke(app, ["repair", str(path.with_name("run.repaired.h5")), "--out", str(path.with_name("two.h5"))])
    assert (done.exit_code, done.stdout) == (0, f"saved {path.with_name('two.h5')}: 20 of 20 frames, 2 edits\n")
    assert "20 of 21 frames saved" in CliRunner().invoke(app, ["info", str(path.with_name("run.repaired.h5"))]).stdout


def abandon(path: Path) -> None:
    """Leaves a file as a writer does that is killed."""
    killed = bytearray(path.read_bytes())
    killed[11] = 0b101
    killed[44:48] = checksum(bytes(killed[:44])).to_bytes(4, "little")
    path.write_bytes(killed)


@pytest.mark.parametrize("signature", [b"OHDR", b"EAHD", b"EAIB", b"EADB"])
def test_a_kill_that_cuts_a_block_of_the_index_in_two_costs_no_frame(signature: bytes, path: Path, original: Path) -> None:
    first = path.read_bytes().rindex(signature)
    check = next(found for found in (_check_of(path, at) for at in range(first + 6, first + 200)) if found is not None)
    abandon(path)
    turn(path, check)
    assert contents(path) == contents(original)


def test_a_recording_whose_writer_was_killed_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recording(path) as recording:
        assert recording.note == ""
    assert caplog.text == ""
    abandon(path)
    with Recording(path) as recording:
        assert recording.note.startswith("its writer was killed: 21 frames are committed")
        assert f"{path}: {recording.note}" in caplog.text
    said = CliRunner().invoke(app, ["info", str(path)]).stdout
    assert "its writer was killed: 21 frames" in said
    assert f"aetheria run --resume {path}" in said
    assert f"aetheria repair {path}" in said
    assert "h5clear" not in said
