"""Disk space of recordings: checked before they begin, and while they grow."""

import logging
from pathlib import Path

import numpy as np
import psutil
import pytest

from aetheria import Aetheria_Motor, GrowingNCA, Life, Recorder, Recording
from aetheria.core.errors import DiskFullError
from aetheria.recording.disk_space import SPARE_BYTES, DiskBudget, frame_bytes

SIDE = 64
FRAME = SIDE * SIDE * 4 + 40


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the disk has besides what is always left free; the last number counts."""
    said = [10**12]
    monkeypatch.setattr(psutil, "disk_usage", lambda _: type("Usage", (), {"free": said[-1] + SPARE_BYTES}))
    return said


def motor() -> Aetheria_Motor:
    return Aetheria_Motor(Life(), SIDE, 1, "cpu", {"plan": "eager"}, seed=1)


def test_frames_that_do_not_fit_uncompressed_are_warned_of_with_figures(
    tmp_path: Path, free: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    free.append(5 * FRAME)
    with Recorder(motor(), tmp_path / "run.h5", every=10, until=40):
        pass
    assert not caplog.messages  # frames of steps 0, 10, 20, 30, 40
    with Recorder(motor(), tmp_path / "more.h5", every=10, until=50):
        pass
    (said,) = caplog.messages
    assert f"6 frames of {FRAME:,} bytes are {6 * FRAME:,} bytes before compression, and {5 * FRAME:,} bytes are free" in said


def test_what_cannot_fit_however_well_it_compresses_is_refused_before_a_file_is_there(tmp_path: Path, free: list[int]) -> None:
    free.append(1_000_000)
    most = 1_000_000 // (40 + SIDE * SIDE * 4 // 1032)  # deflate makes nothing smaller than a 1032nd
    with pytest.raises(DiskFullError, match="make room, or record fewer") as caught:
        Recorder(motor(), tmp_path / "run.h5", until=most + 1)
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []
    with Recorder(motor(), tmp_path / "run.h5", until=most - 2):
        pass


def test_a_file_that_is_replaced_makes_room(tmp_path: Path, free: list[int], caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "run.h5").write_bytes(bytes(3 * FRAME))
    free.append(2 * FRAME)
    with Recorder(motor(), tmp_path / "run.h5", until=4, overwrite=True):
        pass
    assert not caplog.messages


def test_a_warning_comes_once_when_the_frames_to_come_will_not_fit_at_the_size_of_those_there_are(
    tmp_path: Path, free: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    noise = motor()
    with Recorder(noise, tmp_path / "run.h5", until=1000) as recorder:
        noise.step(30)
        recorder.sync()
        assert not caplog.messages
        free.append(100_000)
        noise.step(20)
        recorder.sync()
    (said,) = caplog.messages
    assert "run.h5: at " in said
    assert "bytes are free: enough for" in said
    with Recording(tmp_path / "run.h5") as recording:
        assert len(recording) == 51


def test_the_warning_counts_what_the_frames_measured_will_take(
    tmp_path: Path, free: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    room = DiskBudget(tmp_path / "run.h5", until=1000, every=10)
    free.append(80_000)
    assert room.has_room(0)
    for frame in range(1, 31):
        room.check_growth(step=10 * (frame - 1), frames=frame, nbytes=5000 + 1000 * frame)
        assert len(caplog.messages) == (frame > 10)  # before, nobody knows how large they are
    (said,) = caplog.messages
    assert "at 1,000 bytes a frame, the 90 frames to come need 90,000 bytes, and 80,000 bytes are free" in said
    assert said.endswith("enough for 80 of them")


def test_nothing_is_foreseen_of_a_recording_whose_end_nobody_knows(
    tmp_path: Path, free: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    running = motor()
    free.append(4 * FRAME)
    with Recorder(running, tmp_path / "run.h5"):
        running.step(20)
    assert not caplog.messages


def test_a_frame_is_as_large_as_what_numpy_makes_of_it() -> None:
    running = Aetheria_Motor(GrowingNCA(), SIDE, 16, "cpu", {"plan": "eager"}, batch=3)
    request = running.request(["channel_0", "rgb", "total_energy"], (16, 32), "float16", {})
    planes = np.zeros((3, 1 + 3, 16, 32), np.float16).nbytes
    assert frame_bytes(request, running.shape) == planes + np.zeros(3).nbytes + 40
