"""Objective "rule": the targets are the rule's, and an exact law is told from one with a fault."""

import itertools
from pathlib import Path

import pytest
import torch

from aetheria.core.errors import ConfigError
from aetheria.laws import NCA, LogicGates
from aetheria.laws.neural.gates import GateLayer
from aetheria.training import TaskConfig, train_task
from aetheria.training.objectives.rule import Rule


def rule_90() -> LogicGates:
    """The exclusive or of both neighbours, as gates."""
    law = LogicGates(1, circuits=1, rank=1, perceive_gates=[], update_gates=[])
    perception, update = (layer for layer in law.modules() if isinstance(layer, GateLayer))
    perception.set_gates([[6], [1], [2]])  # the exclusive or of the left and the right neighbour
    update.set_gates([[5], [0], [1]])  # what was perceived
    return law.eval()


def test_targets_are_the_rules_next_cells() -> None:
    first, after = Rule(LogicGates(3), (5, 6), rule="B3/S23").batch(2, torch.Generator().manual_seed(1))
    assert first.shape == (2, 3, 5, 6)
    assert not first[:, 1:].any()
    around = sum(first[:, :1].roll((y, x), (2, 3)) for y in (-1, 0, 1) for x in (-1, 0, 1)) - first[:, :1]
    assert torch.equal(after, ((around == 3) | ((around == 2) & (first[:, :1] > 0))).float())


def test_all_neighbourhoods_are_tried() -> None:
    law = rule_90()
    assert Rule(law, (8,), rule="W90").after_training(law) == {"neighbourhoods": 8, "neighbourhoods wrong": 0}
    assert Rule(law, (8,), rule="W150").after_training(law) == {"neighbourhoods": 8, "neighbourhoods wrong": 4}
    life = Rule(LogicGates(1), (8, 8))
    assert life.after_training(LogicGates(1).eval())["neighbourhoods"] == 512


@pytest.mark.parametrize(("rule", "grid", "tori"), [("W110", (3,), 4), ("B3/S23", (3, 3), 64)])
def test_a_batch_of_all_tori_has_every_neighbourhood(rule: str, grid: tuple[int, ...], tori: int) -> None:
    task = Rule(LogicGates(1, rank=len(grid)), grid, rule=rule, start="all")
    first, _ = task.batch(tori, torch.Generator().manual_seed(0))
    axes = tuple(range(2, first.ndim))
    shifts = list(itertools.product(range(3), repeat=len(grid)))
    seen = torch.cat([first.roll(by, axes).flatten(1) for by in shifts])
    powers = 2.0 ** torch.arange(3 ** len(grid))
    assert set((seen @ powers).tolist()) == set(range(2 ** (3 ** len(grid))))
    some = task.batch(3, torch.Generator().manual_seed(1))[0]
    assert some.shape == (3, 1, *grid)
    assert len(task.batch(tori + 5, torch.Generator().manual_seed(1))[0]) == tori + 5


def test_a_law_that_sees_further_than_the_rule_is_judged_by_samples_only() -> None:
    law = NCA(4, 8)
    assert Rule(law, (8, 8)).after_training(law) == {}


def test_gates_learn_a_rule_exactly(tmp_path: Path) -> None:
    law = {"name": "LogicGates", "channels": 1, "circuits": 2, "rank": 1, "perceive_gates": [4], "update_gates": [4], "seed": 1}
    train = {"objective": "rule", "steps": 60, "batch": 64, "learning_rate": 0.2, "warm_up": 0, "validate_every": 20}
    values = {"law": law, "grid": {"shape": [8]}, "objective": {"rule": "W90"}, "train": train}
    found = train_task(TaskConfig.checked(values, ""), tmp_path / "out", trackers=[], device="cpu")
    assert found.figures["cells wrong"] == 0
    assert found.figures["neighbourhoods wrong"] == 0


@pytest.mark.parametrize(
    ("rule", "grid", "said"), [("345/2/4", (8, 8), "expected a rule of two states"), ("W30", (8, 8), "steps other grids")]
)
def test_bad_rules_are_refused(rule: str, grid: tuple[int, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Rule(LogicGates(1), grid, rule=rule)


def test_all_tori_need_the_grid_of_a_neighbourhood() -> None:
    with pytest.raises(ConfigError, match=r'start "all": grid \[3, 4\] given; expected that of a neighbourhood, \[3, 3\]'):
        Rule(LogicGates(1), (3, 4), start="all")
