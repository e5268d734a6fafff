"""Checksums of recordings: damage is reported with its place, and damaged values are never returned."""

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from aetheria import Life
from aetheria.core.errors import RecordingError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording

FIELDS = ["channel_0", "population"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording of 5 frames of 2 universes, with one edit."""
    motor = Aetheria_Motor(Life(), (6, 10), 1, "cpu", {"plan": "eager"}, batch=2, seed=1)
    path = tmp_path / "run.h5"
    with Recorder(motor, path, fields=FIELDS, config="steps = 4\n", title="four"):
        motor.step(2)
        motor.set_cells(torch.ones(1, 2, 2), at=(1, 1))
        motor.step(2)
    return path


def change(path: Path, name: str, index: Any, value: Any) -> None:
    with h5py.File(path, "a") as file:
        file[name][index] = value


def read_all(path: Path) -> None:
    with Recording(path) as recording:
        for frame in recording:
            assert set(frame.fields) == set(FIELDS)
            for name in FIELDS:
                _ = frame[name]
        assert len(recording.edits) == 1


def test_the_checksums_are_those_that_zlib_finds(path: Path) -> None:
    with h5py.File(path) as file:
        sums = file["log/checksums"][:]
        assert file["log/checksums"].attrs["columns"] == "channel_0 channel_0 population"
        for row in range(5):
            frame = file["channel_0"][row]
            values = [frame[0], frame[1], file["population"][row]]
            assert list(sums[row, :3]) == [zlib.crc32(value.tobytes()) for value in values]
        line, checksum = file["log/edits"][:].tobytes().splitlines()[0].split(b"\t")
        assert int(checksum, 16) == zlib.crc32(line)
    read_all(path)


@pytest.mark.parametrize(
    ("name", "index", "value", "words"),
    [
        ("channel_0", (3, 1, 2, 2), 7.0, "frame 3 of channel_0 is damaged"),
        ("population", (4, 0), 7.0, "frame 4 of population is damaged"),
        ("step", 2, 7, "the checksum of row 2 does not match"),
        ("time", 2, 7.0, "the checksum of row 2 does not match"),
        ("wall_time", 2, 7.0, "the checksum of row 2 does not match"),
        ("edits_before", 2, 7, "the checksum of row 2 does not match"),
        ("log/checksums", (1, 0), 7, "the checksum of row 1 does not match"),
        ("log/edits", 9, 7, "edit 0 is damaged"),
        ("frames", (), 3, "3 frames are counted, 5 are there"),
        ("frames", (), 6, "6 frames are counted, 5 are there"),
        ("y", 3, 7.0, "its attributes or axes were changed"),
    ],
)
def test_what_was_changed_is_named_and_not_handed_out(path: Path, name: str, index: Any, value: Any, words: str) -> None:
    change(path, name, index, value)
    with pytest.raises(RecordingError, match=f"run.h5: .*{words}"):
        read_all(path)


@pytest.mark.parametrize(
    ("owner", "key", "value"), [("/", "config", "steps = 5\n"), ("/", "seed", 2), ("channel_0", "units", "m")]
)
def test_attributes_are_checked_when_it_is_opened(path: Path, owner: str, key: str, value: Any) -> None:
    with h5py.File(path, "a") as file:
        assert file[owner].attrs[key] != value
        file[owner].attrs[key] = value
    with pytest.raises(RecordingError, match="its attributes or axes were changed"):
        Recording(path)


def test_one_universe_and_one_observable_are_checked_as_well(path: Path) -> None:
    change(path, "channel_0", (3, 1, 2, 2), 7.0)
    change(path, "population", (4, 0), 7.0)
    with Recording(path) as recording:
        assert recording.read("channel_0", 3, universe=0).shape == (1, 6, 10)
        assert recording.read("population", 3, universe=1).shape == (1,)
        for ask in (lambda: recording.read("channel_0", 3, universe=1), lambda: recording.observable("population")):
            with pytest.raises(RecordingError, match="is damaged; its checksum does not match"):
                ask()


def test_frames_that_are_whole_stay_readable_beside_one_that_is_not(path: Path) -> None:
    with Recording(path) as recording:
        before = [frame["channel_0"].copy() for frame in recording]
    change(path, "channel_0", (3, 1, 2, 2), 7.0)
    with Recording(path) as recording:
        for index in (0, 1, 2, 4):
            np.testing.assert_array_equal(recording[index]["channel_0"], before[index])


def test_rows_are_found_however_many_there_are(tmp_path: Path) -> None:
    motor = Aetheria_Motor(Life(), 4, 1, "cpu", {"plan": "eager"}, seed=1)
    with Recorder(motor, tmp_path / "run.h5", fields=["population"]):
        motor.step(1200)
    with Recording(tmp_path / "run.h5") as recording:
        assert [frame.step for frame in recording] == list(recording.steps) == list(range(1201))
