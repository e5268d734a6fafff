"""Resumed recordings: repeated frames replace the old ones, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aetheria import GrowingNCA
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.recording.append import ResumePoint

WANTED: dict[str, Any] = {"fields": ["rgb", "channel_3", "population"], "every": 3}


def nca() -> Aetheria_Motor:
    torch.manual_seed(0)
    law = GrowingNCA(channels=5, hidden_channels=8, fire_rate=0.5)
    nn.init.normal_(law.update.weight, std=0.1)
    return Aetheria_Motor(law, (12, 20), 5, "cpu", {"plan": "eager"}, initial="noise", batch=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def frames_of(path: Path) -> list[tuple[int, int, bytes]]:
    """Step, edits and bytes of every frame."""
    with Recording(path) as recording:
        return [(f.step, f.edits, b"".join(np.ascontiguousarray(f[name]).tobytes() for name in f.fields)) for f in recording]


def test_frames_behind_the_position_are_made_again_and_equal_those_of_a_run_never_interrupted(path: Path) -> None:
    motor = nca()
    with Recorder(motor, path.with_name("whole.h5"), **WANTED):
        motor.step(40)
    motor = nca()
    with Recorder(motor, path, **WANTED) as recorder:
        motor.step(12)
        state, position = motor.state_dict(), recorder.sync()
        motor.step(20)
    assert (position.frames, position.edits, len(frames_of(path))) == (5, 0, 11)
    motor = nca()
    motor.load_state_dict(state)
    with Recorder(motor, path, **WANTED, resume=position) as recorder:
        assert recorder.sync() == position
        with Recording(path) as recording:
            assert (recording.status, list(recording.steps)) == ("running", [0, 3, 6, 9, 12])
            assert recording.to_xarray().sizes["time"] == 5
        motor.step(28)
    assert frames_of(path) == frames_of(path.with_name("whole.h5"))


def test_edits_behind_the_position_stay_in_the_file_once(path: Path) -> None:
    patch = torch.ones(5, 2, 2)
    motor = nca()
    with Recorder(motor, path, **WANTED) as recorder:
        motor.step(4)
        motor.set_cells(patch, at=(0, 0))
        state, position = motor.state_dict(), recorder.sync()
        motor.step(4)
        motor.set_cells(patch, at=(5, 5))
        motor.set_control("fire_rate", 0.25)
        motor.step(4)
    assert (position.frames, position.edits) == (2, 1)
    expected = frames_of(path)
    with Recording(path) as recording:
        edits, lines = recording.edits, recording._edit_lines()
    motor = nca()
    motor.load_state_dict(state)
    with Recorder(motor, path, **WANTED, resume=position) as recorder:
        motor.step(4)
        edits[1].apply(motor)
    with Recording(path) as recording:
        assert recording._edit_lines() == lines, "an edit that is yet to be made again was lost"
        position = recorder_position(recording)
    motor.step(0)
    with Recorder(motor, path, **WANTED, resume=position):
        edits[2].apply(motor)
        motor.step(4)
        motor.set_cells(patch, at=(1, 1))
    assert frames_of(path) == expected
    with Recording(path) as recording:
        assert recording._edit_lines()[:3] == lines
        assert recording.edit_count == 4


def recorder_position(recording: Recording) -> ResumePoint:
    return ResumePoint(recording=recording.attributes["id"], frames=len(recording), edits=2, edit_bytes=0)


def test_what_cannot_be_gone_on_with_is_refused_and_left_alone(path: Path) -> None:
    motor = nca()
    with Recorder(motor, path, **WANTED) as recorder:
        motor.step(6)
        position = recorder.sync()
    before = path.read_bytes()
    refused: list[tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = [
        ({"frames": 9}, {}, RecordingError, "holds 3 frames; expected 9 or more"),
        ({"recording": "another"}, {}, RecordingError, "is not the recording that the saved state belongs to"),
        (
            {},
            {"fields": ["channel_2"]},
            ConfigError,
            r"was recorded otherwise; it does not hold channel_2 float32 \(2, 12, 20\)",
        ),
        ({}, {"dtype": "float16"}, ConfigError, "does not hold rgb float16"),
        ({}, {"size": (6, 10)}, ConfigError, r"does not hold rgb float32 \(2, 6, 10, 3\)"),
    ]
    for changes, options, kind, words in refused:
        with pytest.raises(kind, match=words):
            Recorder(motor, path, **(WANTED | options), resume=position.model_copy(update=changes))
    assert frames_of(path)
    assert len(before) == len(path.read_bytes())
    motor.step(5)
    assert motor.optimizer.transfer_stats.frames == 3, "a refused recorder must not stay subscribed"
