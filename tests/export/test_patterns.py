"""Cells of runs as patterns and arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from aetheria import Aetheria_Motor, Lenia, law_from_rule
from aetheria.cli import app
from aetheria.core.errors import ConfigError
from aetheria.export.patterns import save_cells
from aetheria.recording import Recording
from aetheria.runs.run import build_motor
from aetheria.runs.short_config import config_of_pattern


@pytest.mark.parametrize("rule", ["B36/S23", "345/2/4", "WireWorld"])
def test_a_saved_pattern_opens_where_it_was_at_its_step(rule: str, tmp_path: Path) -> None:
    law = law_from_rule(rule)
    cells = torch.zeros(1, 60, 70)
    cells[0, 10:22, 40:55] = torch.randint(0, law.states or 2, (12, 15), generator=torch.Generator().manual_seed(1)).float()
    cells[0, 10, 40] = cells[0, 21, 54] = 1
    motor = Aetheria_Motor(law, (60, 70), None, "cpu", {"plan": "eager"}, initial=cells)
    path = tmp_path / "x.rle"
    words = save_cells(path, motor.cells[0].numpy(), law, 5)
    assert words == f"12 x 15 cells, rule {law.rule_string}, step 5"
    config, _ = config_of_pattern(path, (60, 70))
    with build_motor(config, "cpu") as opened:
        assert torch.equal(opened.cells, motor.cells)
        assert (opened.step_count, opened.traits.rule_string) == (5, law.rule_string)
    save_cells(tmp_path / "x.npy", motor.cells[0].numpy(), law, 5)
    array = np.load(tmp_path / "x.npy")
    assert (array.dtype, array.shape) == (np.uint8, (60, 70))
    assert np.array_equal(array, cells[0].numpy())


def test_cells_that_are_no_pattern_are_refused(tmp_path: Path) -> None:
    lenia = Lenia("O2u")
    with pytest.raises(ConfigError, match="RLE: cells of Lenia given; expected whole states"):
        save_cells(tmp_path / "x.rle", np.zeros((1, 8, 8)), lenia, 0)
    save_cells(tmp_path / "x.npy", np.full((1, 8, 8), 0.5, np.float32), lenia, 0)
    assert np.load(tmp_path / "x.npy").dtype == np.float32
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.rle or \.npy"):
        save_cells(tmp_path / "x.txt", np.zeros((1, 8, 8)), lenia, 0)


def test_a_recorded_frame_is_exported(tmp_path: Path) -> None:
    glider = tmp_path / "glider.rle"
    glider.write_text("x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n")
    run = tmp_path / "run.h5"
    done = CliRunner().invoke(app, ["run", str(glider), "--steps", "20", "--grid", "30x40", "--out", str(run)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["export", str(run), "--rle", "--npy", "--to", "8"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run.rle").read_text() == "#CXRLE Pos=1,1 Gen=8\nx = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"
    with Recording(run) as recording:
        assert np.array_equal(np.load(tmp_path / "run.npy"), recording.read("channel_0", 8)[0])
    missing = CliRunner().invoke(app, ["export", str(run), "--rle", "--to", "21", "--overwrite"])
    assert "no frame of step 21; expected one of 0 to 20" in str(missing.exception)
