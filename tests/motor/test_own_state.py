"""Modules that keep state of their own come out as in a plain loop, however they are tried, watched, restarted or resumed."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, StateError
from aetheria.laws.base import as_law
from aetheria.laws.own_state import OwnState, to_files
from aetheria.motor.edits import from_json, to_json
from aetheria.motor.motor import Aetheria_Motor

CELLS = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
EAGER = {"plan": "eager"}


class Clock(nn.Module):
    """Counts its steps in a buffer, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.n: Tensor
        self.register_buffer("n", torch.zeros(()))

    def forward(self, cells: Tensor) -> Tensor:
        self.n += 1
        return 0.9 * cells + self.n


class Replaced(Clock):
    """Puts another buffer in its place at each step."""

    def forward(self, cells: Tensor) -> Tensor:
        self.n = self.n + 1
        return 0.9 * cells + self.n


class Attribute(nn.Module):
    """Counts in a Python number."""

    n = 0

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def forward(self, cells: Tensor) -> Tensor:
        self.n += 1
        return 0.9 * cells + self.n


class History(nn.Module):
    """Keeps means in a list, and the last of them in a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.means: list[float] = []
        self.last = torch.zeros(1)

    def forward(self, cells: Tensor) -> Tensor:
        self.means.append(round(float(cells.mean()), 6))
        self.last = cells.mean().reshape(1)
        return cells.roll(1, 2) * 0.9 + len(self.means) + self.last


class RunningMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(1, 1, 1, 1), persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        self.seen.mul_(0.5).add_(0.5 * cells.mean())
        return cells.roll(1, 2) * 0.9 + self.seen


class Generator(nn.Module):
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(4)

    def forward(self, cells: Tensor) -> Tensor:
        return cells * 0.9 + torch.rand(cells.shape, generator=self.random)


class Inside(nn.Module):
    """Keeps its state two modules further in."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Identity(), Clock())

    def forward(self, cells: Tensor) -> Tensor:
        out: Tensor = self.net(cells)
        return out


STATEFUL: tuple[Callable[[], nn.Module], ...] = (Clock, Replaced, Attribute, History, RunningMean, Generator, Inside)


def plain_loop(law: nn.Module, steps: int) -> Tensor:
    cells = CELLS[None].clone()
    with torch.no_grad():
        for _ in range(steps):
            cells = law(cells)
    return cells


def motor_of(law: nn.Module, plan: str = "eager", **more: Any) -> Aetheria_Motor:
    return Aetheria_Motor(law, 8, 1, "cpu", {"plan": plan}, initial=CELLS, **more)


@pytest.mark.parametrize("kind", STATEFUL)
@pytest.mark.parametrize("plan", ["eager", "auto"])
def test_a_module_with_state_comes_out_as_in_a_plain_loop(kind: Callable[[], nn.Module], plan: str) -> None:
    motor = motor_of(kind(), plan)
    motor.warm_up()
    for steps in (1, 2, 4):
        motor.step(steps)
    torch.testing.assert_close(motor.cells, plain_loop(kind(), 7), rtol=1e-5, atol=1e-6)


def test_compiled_code_counts_in_buffers_as_the_module_does() -> None:
    motor = motor_of(Clock(), "compiled")
    motor.step(6)
    assert motor.plan.name == "compiled"
    torch.testing.assert_close(motor.cells, plain_loop(Clock(), 6))
    assert float(motor.law.n) == 6  # type: ignore[arg-type]


def test_a_plan_that_cannot_follow_a_modules_state_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r'plan: "compiled" given; Attribute keeps state of its own \(plain:n\)'):
        motor_of(Attribute(), "compiled").step(1)


@pytest.mark.parametrize("kind", STATEFUL)
def test_watching_energy_changes_nothing(kind: Callable[[], nn.Module]) -> None:
    watched, alone = motor_of(kind()), motor_of(kind())
    with watched.subscribe(every=1, fields=["energy", "total_energy"], delivery="lossless", capacity=20):
        watched.step(6)
    alone.step(6)
    assert torch.equal(watched.cells, alone.cells)


def test_watching_energy_draws_no_random_numbers() -> None:
    class Noise(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return cells + torch.rand_like(cells)

    torch.manual_seed(7)
    watched = motor_of(Noise())
    with watched.subscribe(every=1, fields=["energy"], delivery="lossless", capacity=20):
        watched.step(6)
    torch.manual_seed(7)
    assert torch.equal(watched.cells, plain_loop(Noise(), 6))


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_restart_begins_anew(kind: Callable[[], nn.Module]) -> None:
    motor = motor_of(kind())
    motor.step(6)
    once = motor.cells
    motor.restart()
    motor.step(6)
    assert torch.equal(motor.cells, once)


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_state_brings_the_modules_own_with_it(kind: Callable[[], nn.Module]) -> None:
    motor = motor_of(kind())
    motor.step(3)
    saved = motor.state_dict()
    motor.step(4)
    fresh = motor_of(kind())
    fresh.load_state_dict(saved)
    fresh.step(4)
    assert torch.equal(fresh.cells, motor.cells)
    motor.load_state_dict(saved)  # back in the same motor, too
    motor.step(4)
    assert torch.equal(fresh.cells, motor.cells)


@pytest.mark.parametrize("kind", STATEFUL)
def test_an_edit_of_the_whole_state_keeps_it_through_its_line_of_json(kind: Callable[[], nn.Module]) -> None:
    motor = motor_of(kind())
    motor.step(5)
    motor.load_state_dict(motor.state_dict())
    edit = from_json(to_json(motor.edits[-1]))
    motor.step(3)
    again = motor_of(kind())
    edit.apply(again)
    again.step(3)
    assert torch.equal(again.cells, motor.cells)


def test_a_state_of_a_law_without_own_state_says_nothing_of_it() -> None:
    motor = motor_of(nn.Conv2d(1, 1, 3, padding=1))
    motor.step(2)
    assert motor.state_dict().keys() == {"cells", "memory", "step", "seed"}


def test_a_value_that_no_file_can_hold_is_refused_by_name() -> None:
    with pytest.raises(StateError, match=r"net\.seen: its object cannot be saved"):
        to_files({"net:seen": object()})
    tensors, plain = to_files({"a:x": np.arange(3), "a:n": {2, 1}})
    assert tensors["a:x"].tolist() == [0, 1, 2]
    assert plain == {"a:n": [1, 2]}


@pytest.mark.parametrize(
    "name", ["plain:forward", "plain:training", "plain:_buffers", "plain:__class__", "plain:w", "other:n", "n"]
)
def test_a_forged_state_cannot_replace_anything_but_state(name: str) -> None:
    law = Clock()
    law.register_parameter("w", nn.Parameter(torch.zeros(1)))
    motor = motor_of(law)
    with pytest.raises(StateError, match="no module keeps state of this name"):
        motor.load_state_dict({**motor.state_dict(), "law": {name: 1}})
    motor.step(1)


def test_modules_of_torch_and_aetheria_are_not_looked_through() -> None:
    assert not OwnState(as_law(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)), 1))
    assert OwnState(as_law(Clock(), 1))


def test_a_step_that_depends_on_something_unknown_is_warned_of() -> None:
    count = [0]

    class Outside(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            count[0] += 1
            return cells + count[0]

    with pytest.warns(RuntimeWarning, match="Outside: two steps from the same state differ"):
        motor_of(Outside()).step(1)


def test_a_copied_module_starts_from_its_own_state() -> None:
    law = Clock()
    first = motor_of(copy.deepcopy(law))
    first.step(3)
    second = motor_of(first.law)
    second.step(1)
    torch.testing.assert_close(second.cells, 0.9 * CELLS[None] + 4)


class Shift(nn.Module):
    """torch 2.13.0 miscompiles this law on the CPU (pytorch#197829)."""

    def forward(self, cells: Tensor) -> Tensor:
        cells[:, :, 1:] = cells[:, :, :-1].clone()
        return cells


def test_an_empty_grid_does_not_hide_a_miscompiled_law() -> None:
    after = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the fall back to eager, where torch miscompiles it
        for plan in ("eager", "auto"):
            motor = Aetheria_Motor(Shift(), 8, 1, "cpu", {"plan": plan}, initial=torch.zeros(1, 8, 8))
            motor.warm_up()
            motor.step(1)
            motor.set_cells(CELLS)
            motor.step(1)
            after.append(motor.cells)
    assert torch.equal(*after)
