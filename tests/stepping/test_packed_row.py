"""The packed plan for rows equals eager steps: every elementary rule, odd widths, batches and boundaries."""

from typing import Any

import pytest
import torch

from aetheria.laws import Elementary, GreenbergHastings, Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.packed_row import PackedRow


def soup(law: Law, grid: tuple[int, ...], batch: int = 2) -> torch.Tensor:
    assert law.states is not None
    return torch.randint(law.states, (batch, 1, *grid), generator=torch.Generator().manual_seed(sum(grid))).float()


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_every_elementary_rule_is_that_of_eager_steps(boundary: Any) -> None:
    for rule in range(256):
        law = Elementary(rule, boundary=boundary)
        width = (130, 64, 7, 128, 63, 2)[rule % 6]
        cells = soup(law, (width,))
        plan = PackedRow(law, cells)
        (found,) = plan.unpack(plan.advance(plan.pack((cells,)), 3))
        for _ in range(3):
            cells = law(cells)
        assert torch.equal(found, cells), (rule, width)


def test_a_row_of_one_cell_is_its_own_neighbour_on_a_ring() -> None:
    for rule in (0b10000001, 0b01111110):
        law, cells = Elementary(rule), torch.tensor([[[1.0]], [[0.0]]])
        plan = PackedRow(law, cells)
        assert torch.equal(plan.unpack(plan.advance(plan.pack((cells,)), 1))[0], law(cells))


def test_a_long_run_of_an_elementary_rule_is_packed_and_exact() -> None:
    law = Elementary(110)
    packed, eager = (
        Aetheria_Motor(law, (1000,), 1, "cpu", {"plan": plan, "planned_steps": 200}, initial=soup(law, (1000,)), batch=2)
        for plan in ("auto", "eager")
    )
    for motor in (packed, eager):
        motor.step(150)
        motor.step(50)
    assert packed.plan is not None
    assert packed.plan.name == "packed"
    assert torch.equal(packed.cells, eager.cells)


def test_rules_of_more_colours_are_not_packed() -> None:
    law = Elementary(1000, colours=3)
    assert law.row_rule() is None
    motor = Aetheria_Motor(law, (100,), 1, "cpu", {"planned_steps": 1000}, initial=soup(law, (100,), 1))
    motor.step(2)
    assert motor.plan is not None
    assert motor.plan.name != "packed"


@pytest.mark.parametrize(
    ("settings", "boundary"),
    [
        ({"states": 8, "threshold": 3, "radius": 2}, "periodic"),
        ({"states": 3, "threshold": 1, "neighbourhood": "von_neumann"}, "zero"),
        ({"states": 2, "threshold": 2}, "reflect"),
        ({"states": 5, "threshold": 4, "radius": 4, "neighbourhood": "circular"}, "periodic"),
    ],
)
def test_an_excitable_medium_steps_by_the_kernel_for_counts(settings: dict[str, Any], boundary: Any) -> None:
    law = GreenbergHastings(**settings, boundary=boundary)
    packed, eager = (
        Aetheria_Motor(law, (37, 70), 1, "cpu", {"plan": plan}, initial=soup(law, (37, 70)), batch=2)
        for plan in ("packed", "eager")
    )
    for motor in (packed, eager):
        motor.step(9)
    assert torch.equal(packed.cells, eager.cells)
