"""Trainings that grow a picture: results, resuming, and bad input."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from aetheria.core.errors import ConfigError, StateError
from aetheria.laws import GrowingNCA, build_law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import load_config
from aetheria.runs.run import build_motor
from aetheria.training import GrowConfig, growth_report
from aetheria.training.grow import grow, growing_law, growth_pool
from aetheria.training.growth import GrowthPool
from aetheria.training.growth_report import GrowthEvaluation, contact_sheet, evaluate, with_half_removed
from aetheria.training.train_config import load_training
from aetheria.training.trainer import TrainStatus
from tests.cli.test_cli import call
from tests.paths import ROOT


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.full((4, 4, 4), 255, np.uint8)
    pixels[:, :2] = (200, 40, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth_report, "EVALUATED_STEPS", (2, 64, 70, 80))
    monkeypatch.setattr(growth_report, "_DAMAGE_STEP", 70)
    monkeypatch.setattr(growth_report, "_HEALED_STEP", 75)
    monkeypatch.setattr(growth_report, "LASTING_STEP", 80)


def config(path: Path, **changes: Any) -> GrowConfig:
    train = {"steps": 4, "batch": 3, "damaged": 1, "pool": 6, "rollout": [3, 5], "validate_every": 2, "average": 0.9}
    law = {"name": "GrowingNCA", "channels": 6, "hidden_channels": 8, "seed": 3}
    values = {"seed": 5, "law": law, "picture": {"path": str(path), "grid": [8, 8]}, "train": train} | changes
    return GrowConfig.checked(values, "")


def test_the_results_of_growing_run(picture: Path, tmp_path: Path) -> None:
    found = grow(config(picture), tmp_path / "out", trackers=[])
    assert (found.status, found.exit_code) == ("done", 0)
    assert set(found.errors) == {2, 64, 70, 80}
    with safe_open(tmp_path / "out" / "weights.safetensors", "pt") as file:
        assert file.metadata()["config"] == config(picture).to_toml()
    with Image.open(tmp_path / "out" / "grown.png") as image:
        assert image.size == (8 * 5 * 6, 8 * 6)
    with build_motor(load_config(tmp_path / "out" / "run.toml"), "cpu") as motor:
        assert motor.shape == (1, 6, 16, 16)
        weights = load_file(tmp_path / "out" / "weights.safetensors")
        assert all(torch.equal(tensor, weights[name]) for name, tensor in motor.law.state_dict().items())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in found.law.state_dict().items())
    assert not found.law.training
    with Aetheria_Motor(found.law, (8, 8), cfg={"plan": "eager"}, device="cpu") as motor:
        motor.step(2)
    built = build_law("GrowingNCA", weights=tmp_path / "out" / "weights.safetensors")
    assert isinstance(built, GrowingNCA)
    assert built.channels == 6


def test_a_law_whose_cells_grow_without_bound_has_diverged(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unbound(law: GrowingNCA, pool: GrowthPool) -> GrowthEvaluation:
        return replace(evaluate(law, pool), errors={2: 0.1, 64: 0.2, 70: 0.2, 80: 3.39e16})

    monkeypatch.setattr("aetheria.training.grow.evaluate", unbound)
    found = grow(config(picture), tmp_path / "out", trackers=[])
    assert (found.status, found.exit_code, found.last_error) == ("diverged", 4, 3.39e16)
    assert (tmp_path / "out" / "weights.safetensors").exists()


@pytest.mark.parametrize(
    "law",
    [
        {"name": "MLP", "d_state": 3, "normalise": "none"},
        {"name": "AttentionNCA", "channels": 5, "hidden_channels": 4},
        {"name": "ConvLSTM", "d_state": 2},
    ],
    ids=lambda law: law["name"],
)
def test_every_law_with_colours_can_be_grown(law: dict[str, Any], picture: Path, tmp_path: Path) -> None:
    train = {"steps": 1, "batch": 2, "damaged": 1, "pool": 4, "rollout": [3, 3], "validate_every": 1, "checkpoint": 2}
    found = grow(config(picture, law=law, train=train), tmp_path / "out", trackers=[])
    assert found.status == "done"
    with build_motor(load_config(tmp_path / "out" / "run.toml"), "cpu") as motor:
        motor.step(2)


def test_checkpoints_of_gradients_do_not_change_them(picture: Path, tmp_path: Path) -> None:
    train = {"steps": 2, "batch": 3, "pool": 6, "rollout": [5, 5], "validate_every": 2, "damaged": 1}
    stored = grow(config(picture, train=train), tmp_path / "stored", trackers=[])
    again = grow(config(picture, train=train | {"checkpoint": 2}), tmp_path / "again", trackers=[])
    for one, other in zip(stored.law.parameters(), again.law.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_batch_is_found_by_trying_and_damage_follows_its_table(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def largest(probe: Any, room: int, most: int) -> int:
        assert most == 6
        probe(4)
        return 4

    monkeypatch.setattr("aetheria.training.setup.largest_batch", largest)
    train = {"steps": 1, "batch": "auto", "pool": 6, "rollout": [3, 3], "validate_every": 1}
    grow(config(picture, train=train, damage={"share": 0.5, "shapes": ["half"]}), tmp_path / "out", trackers=[])
    assert torch.load(tmp_path / "out" / "last.pt", weights_only=True)["lesson"]["batch"] == 4


def test_a_training_of_an_earlier_version_is_resumed(picture: Path, tmp_path: Path) -> None:
    grow(config(picture), tmp_path / "out", trackers=[])
    state = torch.load(tmp_path / "out" / "last.pt", weights_only=True)
    new = ("optimizer", "schedule")
    old = [line for line in state["config"].splitlines() if not line.startswith(new)]
    at = next(i for i, line in enumerate(old) if line.startswith("compile"))
    state["config"] = "\n".join([*old[:at], 'precision = "fp32"', *old[at:]]) + "\n"
    torch.save(state, tmp_path / "out" / "last.pt")
    assert grow(config(picture), tmp_path / "out", trackers=[], resume=True).status == "done"
    with pytest.raises(StateError, match="with other settings"):
        grow(config(picture, seed=6), tmp_path / "out", trackers=[], resume=True)


def test_the_error_of_empty_cells_is_that_of_the_picture_alone(picture: Path) -> None:
    settings = config(picture)
    pool = growth_pool(settings, growing_law(settings))
    assert pool.empty_error() == pytest.approx(float(pool.target[:, 2:6, 2:6].square().mean()))
    assert 0.1 < pool.empty_error() <= 1


def test_a_resumed_growing_equals_an_uninterrupted_one(picture: Path, tmp_path: Path) -> None:
    def interrupt(status: TrainStatus) -> None:
        if status.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    whole = grow(config(picture), tmp_path / "whole", trackers=[])
    parted = grow(config(picture), tmp_path / "parted", trackers=[], progress=interrupt)
    assert (parted.status, parted.exit_code, parted.step) == ("interrupted", 130, 3)
    again = grow(config(picture), tmp_path / "parted", trackers=[], resume=True)
    assert again.errors == whole.errors
    one, other = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parted"))
    for part in ("law", "average", "lesson"):
        assert all(torch.equal(one[part][key], other[part][key]) for key in one[part]), part
    assert not torch.equal(one["lesson"]["pool"][0], torch.zeros(6, 8, 8))


def test_what_cannot_be_grown_is_refused_before_anything_is_written(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StateError, match="4 x 4 pixels on a grid of 3 x 8"):
        grow(config(picture, picture={"path": str(picture), "grid": [3, 8]}), tmp_path / "out")
    with pytest.raises(ConfigError, match="MLP has 2 channels; a picture needs 4 or more"):
        grow(config(picture, law={"name": "MLP", "d_state": 1}), tmp_path / "out")
    with pytest.raises(ConfigError, match="Lenia has no weights"):
        grow(config(picture, law={"name": "Lenia"}), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"\[damage\] begin 0.5, full 0.2"):
        grow(config(picture, damage={"begin": 0.5, "full": 0.2}), tmp_path / "out")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="several processes: expected one"):
        grow(config(picture), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_each_universe_loses_another_half() -> None:
    cells = torch.ones(4, 5, 6, 8)
    kept = with_half_removed(cells)
    assert kept.sum((1, 2, 3)).tolist() == [5 * 24] * 4
    assert [float(kept[i, 0, 0, 0]) for i in range(4)] == [0, 1, 0, 1]
    assert (kept[0] + kept[1] == 1).all()
    assert (kept[2] + kept[3] == 1).all()


class Painted(GrowingNCA):
    """Shows the target at every step, whatever it was given; all of it but alpha after a wound."""

    target: Tensor

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        out = torch.zeros_like(cells)
        out[:, :4] = self.target
        return out, seed, step + 1


def test_a_law_that_paints_the_picture_has_no_error() -> None:
    law = Painted(6, 8)
    target = torch.rand(4, 4, 4)
    pool = GrowthPool(law, target, (8, 8), pool=4, batch=2, damaged=0)
    law.target = pool.target
    found = evaluate(law, pool)
    assert set(found.errors.values()) == {0.0}
    assert found.healed == 0
    assert torch.equal(found.cells[2][:4], pool.target)
    law.target = pool.target + 0.5
    assert evaluate(law, pool).healed == pytest.approx(0.25, rel=1e-5)


def test_the_sheet_shows_the_picture_on_white() -> None:
    target = torch.zeros(4, 2, 2)
    target[:, 0, 0] = torch.tensor([0.5, 0.0, 0.0, 0.5])
    pixels = np.asarray(contact_sheet({64: torch.zeros(6, 2, 2)}, target, scale=1))
    assert pixels.shape == (2, 4, 3)
    assert pixels[0, 0].tolist() == [255, 127, 127]
    assert (pixels[:, 2:] == 255).all()


def test_train_grows_from_a_config(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grow.toml").write_text(config(picture).to_toml().replace(str(picture), "picture.png"))
    result = call("train", "grow.toml", "--device", "cpu", "--set", "train.steps=2")
    assert result.exit_code == 0, result.output
    assert "at step 64" in result.output
    assert (tmp_path / "runs/grow/run.toml").exists()


def test_the_shipped_training_reads_its_picture() -> None:
    found = load_training(ROOT / "configs/training/mushroom.toml")
    assert isinstance(found, GrowConfig)
    with Image.open(found.picture.path) as image:
        assert image.size == (24, 24)


def test_a_bar_is_shown_while_it_trains_or_none(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grow(config(picture), tmp_path / "silent", trackers=(), progress=False)
    assert not capsys.readouterr().err
    grow(config(picture), tmp_path / "shown", trackers=(), progress=True)
    assert "4/4 loss" in capsys.readouterr().err
