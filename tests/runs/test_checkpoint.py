"""Checkpoints: when they are saved, which are kept, and which one a run is resumed from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aetheria import Life
from aetheria.core.errors import DivergedError, RecordingError
from aetheria.core.failpoints import on_failpoints
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.frame import Frame
from aetheria.recording import Recorder, Recording
from aetheria.recording.frame_writer import FrameWriter
from aetheria.runs.checkpoint import FAILPOINTS, Checkpoints, checkpoints_of, newest_checkpoint, path_of
from aetheria.runs.state_file import is_state, load_state, read_state


def life() -> Aetheria_Motor:
    return Aetheria_Motor(Life(), 16, 1, "cpu", {"plan": "eager"}, seed=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture
def recorded(path: Path) -> Iterator[tuple[Aetheria_Motor, Recorder]]:
    motor = life()
    with Recorder(motor, path, every=10) as recorder:
        yield motor, recorder


def steps_kept(path: Path) -> list[int]:
    return [read_state(file).description.step for file in checkpoints_of(path)]


def test_the_newest_two_are_kept(path: Path, recorded: Any) -> None:
    motor, recorder = recorded
    checkpoints = Checkpoints(motor, recorder, every=7)
    for step in range(1, 30):
        motor.step(1)
        assert checkpoints.due() == (step % 7 == 0)
        if checkpoints.due():
            checkpoints.save()
            assert not checkpoints.due()
            checkpoints.save()  # of the same step: once is enough
    assert steps_kept(path) == [28, 21]
    assert checkpoints.steps_left() == 6
    assert sorted(file.name for file in path.parent.glob("run*") if file != path) == [
        "run.h5.checkpoint-21.safetensors",
        "run.h5.checkpoint-28.safetensors",
    ]


def test_minutes_pass_too(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    motor, recorder = recorded
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    checkpoints = Checkpoints(motor, recorder, minutes=2)
    assert checkpoints.steps_left() is None
    for minutes, due in ((1.9, False), (0.2, True), (1.9, False), (0.2, True)):
        now += 60 * minutes
        motor.step(1)
        assert checkpoints.due() == due
        if due:
            checkpoints.save()


def test_a_checkpoint_holds_the_position_of_the_recording(path: Path, recorded: Any) -> None:
    motor, recorder = recorded
    checkpoints = Checkpoints(motor, recorder, every=1, config="a = 1\n")
    motor.step(25)
    motor.set_cells(torch.ones(1, 2, 2), at=(3, 3))
    checkpoints.save()
    saved = read_state(path_of(path, 25))
    with Recording(path) as recording:
        position = saved.description.position
        assert position is not None
        assert (position.recording, position.frames, position.edits) == (recording.attributes["id"], 3, 1)
        assert position.edit_bytes == recording.edit_bytes > 0
        assert len(recording) == 3
    assert saved.description.config == "a = 1\n"
    assert torch.equal(saved.tensors["cells"], motor.cells)
    torch.rand(5)
    expected = torch.rand(3)
    torch.set_rng_state(saved.tensors["random_cpu"])
    torch.rand(5)
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_is_a_saved_state_like_any_other(path: Path, recorded: Any) -> None:
    motor, recorder = recorded
    motor.step(5)
    Checkpoints(motor, recorder, every=5).save()
    other = life()
    assert is_state(path_of(path, 5))
    assert load_state(other, path_of(path, 5)).step == other.step_count == 5
    assert torch.equal(other.cells, motor.cells)


def test_a_writer_that_fails_ends_a_save(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: FrameWriter, frame: Frame) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(FrameWriter, "_commit", fails)

    def record() -> None:
        motor = life()
        with Recorder(motor, path, every=5) as recorder:
            motor.step(4)
            Checkpoints(motor, recorder, every=1).save()

    with pytest.raises(RecordingError, match="input/output error"):
        record()
    assert checkpoints_of(path) == []


def test_the_newest_usable_checkpoint_is_chosen_and_newer_ones_are_named(
    path: Path, recorded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    motor, recorder = recorded
    checkpoints = Checkpoints(motor, recorder, every=10)

    def chosen() -> int | None:
        caplog.clear()
        with Recording(path) as recording:
            found = newest_checkpoint(recording)
            return found.description.step if found else None

    assert chosen() is None
    for _ in range(2):
        motor.step(10)
        checkpoints.save()
    assert (chosen(), caplog.text) == (20, "")
    path_of(path, 30).write_bytes(path_of(path, 20).read_bytes()[:-9])
    assert chosen() == 20
    assert "run.h5.checkpoint-30.safetensors: cannot be read as a saved state" in caplog.text
    with Recorder(motor, path.with_name("other.h5"), every=2) as other:
        motor.step(10)
        Checkpoints(motor, other, every=10).save()
    path_of(path.with_name("other.h5"), 30).replace(path_of(path, 30))
    assert chosen() == 20
    assert "belongs to another recording" in caplog.text
    checkpoints.save()
    assert chosen() == 30
    recorder._writer._file._data["frames"][()] = 3  # as after a crash of the machine
    assert chosen() == 20
    assert "was made after frame 4, and the recording holds 3" in caplog.text


def test_files_of_killed_and_older_runs_are_removed_and_nothing_else(path: Path) -> None:
    motor = life()
    with Recorder(motor, path) as recorder:
        motor.step(5)
        Checkpoints(motor, recorder, every=1).save()
    for name in (".run.h5.checkpoint-7.4242.safetensors", ".run.h5.4242.safetensors", "run.h5.checkpoint-x.safetensors"):
        path.with_name(name).touch()
    path_of(path.with_name("other.h5"), 3).touch()
    with Recorder(life(), path, overwrite=True) as recorder:
        Checkpoints(life(), recorder, every=1)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        ".run.h5.4242.safetensors",
        "other.h5.checkpoint-3.safetensors",
        "run.h5",
        "run.h5.checkpoint-x.safetensors",
    ]


def test_cells_that_are_not_finite_leave_the_last_good_checkpoint(path: Path) -> None:
    class Explodes(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return torch.where(cells >= 6, torch.nan, cells + 1)

    motor = Aetheria_Motor(Explodes(), 4, 1, "cpu", {"plan": "eager", "check_interval": 0}, initial=torch.zeros(1, 4, 4))

    def record() -> None:
        with Recorder(motor, path, every=5) as recorder:
            checkpoints = Checkpoints(motor, recorder, every=4)
            for _ in range(2):
                motor.step(4)
                checkpoints.save()

    with pytest.raises(DivergedError, match="at step 8"):
        record()
    assert steps_kept(path) == [4]
    with Recording(path) as recording:
        assert recording.status == "diverged"


def test_each_failpoint_of_a_save_is_reached_once_and_in_order(recorded: Any) -> None:
    motor, recorder = recorded
    reached: list[str] = []
    checkpoints = Checkpoints(motor, recorder, every=1)
    motor.step(3)
    with on_failpoints(reached.append):
        checkpoints.save()
    assert tuple(failpoint for failpoint in reached if failpoint in FAILPOINTS) == FAILPOINTS
