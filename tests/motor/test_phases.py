"""Laws that alternate between sub-rules are given the phase by the motor."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws import Law
from aetheria.motor.motor import Aetheria_Motor


class Alternating(Law):
    """Moves right, then down, then inverts."""

    channels = 1
    phases = 3
    states = 2
    exact = True

    def forward(self, cells: Tensor, *, phase: int) -> Tensor:
        return (cells.roll(1, 3), cells.roll(1, 2), 1 - cells)[phase]


def motor(plan: str = "eager", **more: Any) -> Aetheria_Motor:
    return Aetheria_Motor(Alternating(), (8, 9), 1, "cpu", {"plan": plan}, seed=1, **more)


def expected(cells: Tensor, first: int, steps: int) -> Tensor:
    values = cells.numpy()
    for step in range(first, first + steps):
        values = (np.roll(values, 1, 3), np.roll(values, 1, 2), 1 - values)[step % 3]
    return torch.from_numpy(values.copy())


@pytest.mark.parametrize("plan", ["eager", "compiled", "auto"])
def test_the_phase_follows_the_step_number_in_any_chunking(plan: str) -> None:
    one = motor(plan)
    one.warm_up()
    start = one.cells
    for steps in (1, 2, 5, 3):
        one.step(steps)
    assert torch.equal(one.cells, expected(start, 0, 11))


def test_the_phase_goes_on_where_a_state_is_taken_up() -> None:
    first, second = motor(), motor()
    first.step(4)
    second.load_state_dict(first.state_dict())
    start = second.cells
    second.step(4)
    assert torch.equal(second.cells, expected(start, 4, 4))


def test_the_energy_is_of_the_change_that_the_present_phase_makes() -> None:
    one = motor()
    for step in range(4):
        cells = one.cells
        change = expected(cells, step, 1) - cells
        assert torch.equal(one.read("energy"), change.square().sum(1))
        one.step(1)


def test_a_kernel_that_knows_no_phases_is_refused() -> None:
    with pytest.raises(ConfigError, match='plan: "packed" given; Alternating alternates between 3 phases'):
        motor("packed").warm_up()
