"""Laws learned from recordings of them, at small sizes; full sizes are `make train-check`."""

from pathlib import Path

import numpy as np
import pytest
import torch

from aetheria import Aetheria_Motor, Lenia, Life
from aetheria.runs.config import load_config
from aetheria.training.imitation import imitate
from aetheria.training.target_images import read_picture
from aetheria.training.train_config import TrainConfig
from benchmarks.training import examples, restoring
from benchmarks.training.growing import measure
from benchmarks.training.healing import measure as healing
from benchmarks.training.learning import CONFIGS, life, numpy_step, record


def test_life_is_learned_exactly_at_densities_that_were_not_recorded(tmp_path: Path) -> None:
    result = life("B3/S23", tmp_path, side=64, steps=5, changes=["train.steps=150", "train.batch=2"])
    assert result.measured == "0 of 5 x 16,384 cells wrong, 512 of 512 neighbourhoods right"
    assert result.reached


@pytest.mark.parametrize("rule", ["B3/S23", "B36/S23"])
def test_the_oracle_counts_as_life_does(rule: str) -> None:
    cells = (torch.rand(2, 1, 20, 30, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    np.testing.assert_array_equal(numpy_step(cells[:, 0].numpy().astype(np.uint8), rule), Life(rule)(cells)[:, 0].numpy())


def test_lenias_growth_is_found_in_recordings(tmp_path: Path) -> None:
    """Only what recordings show of m = 0.4, s = 0.1 is known; the search begins elsewhere."""
    record(Aetheria_Motor(Lenia(R=4, T=4, m=0.4, s=0.1), 24, 1, "cpu", {"plan": "eager"}, batch=4), tmp_path / "lenia.h5", 8)
    values = {
        "law": {"name": "Lenia", "R": 4, "T": 4.0, "m": 0.35, "s": 0.13},
        "data": {"recordings": [str(tmp_path / "lenia.h5")], "validation": 0.25},
        "train": {
            "steps": 100,
            "batch": 2,
            "learning_rate": 0.01,
            "warm_up": 5,
            "learn": ["m", "s"],
            "horizon": 2,
            "final_rate": 0.0,
        },
    }
    imitate(TrainConfig.checked(values, ""), tmp_path / "out", trackers=[])
    found = load_config(tmp_path / "out" / "run.toml").law.parameters
    assert found["m"] == pytest.approx(0.4, abs=0.005)
    assert found["s"] == pytest.approx(0.1, abs=0.005)


def test_a_picture_is_grown_and_its_figures_are_reported(tmp_path: Path) -> None:
    small = ["law.hidden_channels=32", "picture.size=6", "picture.grid=[8, 8]", "train.rollout=[12, 20]", "train.pool=32"]
    short = ["train.steps=150", "train.validate_every=150", "train.batch=4", "train.average=0.9", "train.learning_rate=0.01"]
    found = measure(tmp_path, [*small, *short, "train.damaged=1"])
    blank = read_picture(CONFIGS.parent / "pictures" / "mushroom.png", 6).square().mean()
    assert found.grown.errors[64] < blank / 3
    lines, reached = found.table()
    assert f"| {found.grown.errors[64]:.4g} | under 0.01 |" in lines[2]
    assert reached == all(" yes |" in line for line in lines[2:])
    assert not reached  # so little of it is not enough, and said so


def test_the_shipped_boat_grows_each_of_its_halves_again() -> None:
    found = healing(steps=(0, 200))
    assert min(found.errors[0]) > 0.05  # a half is gone
    assert found.healed


def test_the_shipped_harbour_comes_out_of_noise_better_than_by_any_blur() -> None:
    found = restoring.measure((2, 10), ["motor.plan=eager"])
    assert found.errors[10] < 0.8 * found.blurred < found.errors[2]
    assert found.kept
    assert found.sheet((2, 10)).size == (2 * 3 * 96, 2 * 2 * 72)


def test_example_trainings_are_timed_by_some_of_their_steps_or_done(tmp_path: Path) -> None:
    assert {"life", "lenia", "mushroom", "attention", "texture", "gates"} <= set(examples.trainings())
    assert not {"soup", "patches"} & set(examples.trainings())
    small = ["train.steps=40", "train.validate_every=20", "train.batch=2", "train.validation=2"]
    some = examples.measure("arc_1d", tmp_path / "some", 6, 0.0, small)
    assert (some.steps, some.result) == (40, "")
    assert some.seconds == pytest.approx(40 * some.step + 2 * some.validation)
    assert f"about {some.seconds:,.0f} | - |" in some.row()
    done = examples.measure("arc_1d", tmp_path / "done", 6, 1e9, small)
    assert done.steps == 40
    assert "rows wrong" in done.result
