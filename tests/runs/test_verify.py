"""Verification of recorded runs: identical, or the first difference."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from aetheria.cli import app
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording, checksums
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor, recorder_settings
from aetheria.runs.verify import verify
from tests.paths import GOLDEN

LIFE: dict[str, Any] = {"steps": 12, "device": "cpu", "grid": {"height": 12, "width": 16}, "law": {"name": "Life"}}
NCA: dict[str, Any] = {**LIFE, "law": {"name": "GrowingNCA", "channels": 6, "hidden_channels": 8}, "initial": {"kind": "noise"}}
RECORDS: dict[str, dict[str, Any]] = {
    "float32": {"fields": ["channel_0", "population"], "every": 2},
    "float16, smaller": {"fields": ["channel_0", "energy"], "dtype": "float16", "size": [6, 8], "every": 3},
    "pixels": {
        "fields": ["rgb", "channel_3"],
        "dtype": "uint8",
        "levels": {"channel_3": [-1.0, 1.0]},
        "codec": "fast",
        "every": 1,
    },
}


def record(path: Path, settings: dict[str, Any], wanted: str = "float32", batch: int = 1) -> Aetheria_Motor:
    config = RunConfig.checked({**settings, "batch": batch, "motor": {"plan": "eager"}, "record": RECORDS[wanted]}, "")
    motor = build_motor(config)
    motor.step(1)
    motor.set_cells(torch.ones(motor.shape[1], 3, 3), at=(2, 2))
    saved = motor.state_dict()
    motor.step(2)
    motor.load_state_dict(saved)  # an undo
    with Recorder(motor, path, **recorder_settings(config.record), config=config.to_toml()):
        motor.step(4)
        motor.set_cells(torch.ones(motor.shape[1], 2, 2), at=(7, 7))
        motor.step(7)
    return motor


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("wanted", RECORDS)
def test_a_second_run_with_its_edits_is_identical(tmp_path: Path, wanted: str, batch: int) -> None:
    record(tmp_path / "run.h5", NCA, wanted, batch)
    with Recording(tmp_path / "run.h5") as recording:
        assert len(recording) > 3
        result = verify(recording)
        assert result.identical
        assert result.frames == len(recording)
        assert result.provenance == ()


def test_the_first_step_and_field_that_differ_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    record(path, LIFE, batch=2)
    with h5py.File(path, "a") as file:  # another run, as whole as the first
        for row in (3, 4):
            frame = file["channel_0"][row]
            frame[1, 5, 5] = 1 - frame[1, 5, 5]
            file["channel_0"][row] = frame
            sums = np.array([*checksums.of_field(frame, 2), checksums.of_field(file["population"][row], 2)[0]], "<u4")
            time, at, wall_time, edits = (file[name][row] for name in ("time", "step", "wall_time", "edits_before"))
            file["log/checksums"][row] = [*sums, checksums.of_row(row, time, at, wall_time, edits, sums.tobytes())]
        step = int(file["step"][3])
    with Recording(path) as recording:
        result = verify(recording)
    assert (result.frames, result.step, result.field, result.universe, result.largest) == (3, step, "channel_0", 1, 1.0)
    called = CliRunner().invoke(app, ["verify", str(path)])
    assert called.exit_code == 6
    words = f"at step {step} channel_0 of universe 1 differs by up to 1; the 3 frames before"
    assert words in called.output.replace("\n", "")


def test_the_command_prints_identical_and_differences_of_provenance() -> None:
    result = CliRunner().invoke(app, ["verify", str(GOLDEN / "schema_2.h5"), "--device", "cpu"])
    assert result.exit_code == 0
    assert "identical" in result.output
    assert "all 5 frames, to the last bit" in result.output
    with Recording(GOLDEN / "schema_2.h5") as recording:
        recording.attributes["torch_version"] = "1.0"
        assert any(text.startswith("torch_version 1.0, now ") for text in verify(recording).provenance)
