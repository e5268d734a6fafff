"""Recordings of earlier versions, one of each schema: read and replayed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording, schema
from aetheria.runs.config import RunConfig
from aetheria.runs.replay import replay
from aetheria.runs.run import build_motor
from tests.paths import GOLDEN

CONFIG = {
    "title": "golden",
    "steps": 8,
    "seed": 5,
    "device": "cpu",
    "batch": 2,
    "grid": {"height": 12, "width": 16},
    "law": {"name": "Life"},
    "motor": {"plan": "eager"},
    "record": {"fields": ["channel_0", "population"], "every": 2},
}


def make(path: Path) -> Aetheria_Motor:
    """The run behind the golden files since schema 2; for a new schema, its recording becomes the next."""
    run = RunConfig.checked(CONFIG, "")
    motor = build_motor(run)
    with Recorder(motor, path, fields=run.record.fields, every=2, config=run.to_toml(), title=run.title):
        motor.step(3)
        motor.set_cells(torch.ones(1, 3, 3), at=(4, 5), universe=1)
        motor.step(2)
        motor.set_control("rule", "B36/S23")
        motor.step(3)
        motor.set_cells(torch.zeros(1, 2, 2), at=(0, 0))
    return motor


def test_there_is_a_golden_file_of_every_schema() -> None:
    assert [int(path.stem.removeprefix("schema_")) for path in sorted(GOLDEN.glob("schema_*.h5"))] == [*schema.READABLE]


@pytest.mark.parametrize("version", schema.READABLE[1:])
def test_a_recording_of_an_earlier_schema_is_read_and_replayed(version: int, tmp_path: Path) -> None:
    make(tmp_path / "now.h5")
    with Recording(GOLDEN / f"schema_{version}.h5") as then, Recording(tmp_path / "now.h5") as now:
        assert then.attributes["aetheria_schema"] == version
        assert (then.status, then.fields, then.observables) == ("done", ("channel_0",), ("population",))
        assert list(then.steps) == [0, 2, 4, 6, 8]
        assert list(then.edits_before) == [0, 0, 1, 2, 2]
        assert [type(edit).__name__ for edit in then.edits] == ["CellsEdit", "ControlEdit", "CellsEdit"]
        for old, new in zip(then, now, strict=True):
            np.testing.assert_array_equal(old["channel_0"], new["channel_0"])
            np.testing.assert_array_equal(old["population"], new["population"])
            np.testing.assert_array_equal(replay(then, old.step).read("channel_0").numpy(), old["channel_0"])
