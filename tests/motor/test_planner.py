"""A run of unknown length begins eagerly; its plan takes over at a step that the law and the grid alone decide."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aetheria import Aetheria_Motor, GrowingNCA, Life, Recorder, Recording
from aetheria.stepping import choose, compiled, cost, factories
from aetheria.stepping.cpu import build
from aetheria.stepping.plan import Step
from tests.small_laws import PLAIN, Plain, small_law, small_motor

CELLS = torch.rand(1, 3, 10, 12, generator=torch.Generator().manual_seed(3))


def motor(law: nn.Module | None = None, **cfg: Any) -> Aetheria_Motor:
    return Aetheria_Motor(law or small_law(PLAIN), (10, 12), 3, "cpu", cfg, initial=CELLS)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling costs a few steps of `Plain`, and a compiled step rounds otherwise than an eager one."""

    def rounded(step: Step) -> Step:
        return lambda *state: tuple(tensor * (1 + 1e-6) for tensor in step(*state))

    monkeypatch.setattr(compiled, "compile_step", rounded)
    monkeypatch.setitem(cost.NOMINAL, "cpu", cost.NominalMachine(1.0, 1e12, 1e12))
    monkeypatch.setattr(
        choose, "PLAN_FACTORIES", soon_made := tuple(replace(one, seconds=60.0) for one in factories.PLAN_FACTORIES)
    )
    monkeypatch.setattr(factories, "PLAN_FACTORIES", soon_made)


def switch_of(one: Aetheria_Motor) -> int:
    found = one._loop.stepper.switch
    assert found is not None
    return found


def test_a_few_steps_of_a_module_call_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))

    class Heat(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return cells + 0.2 * (sum(cells.roll(s, a) for s in (1, -1) for a in (2, 3)) - 4 * cells)

    heat = Aetheria_Motor(Heat(), 64, 1, "cpu", initial=torch.rand(1, 64, 64))
    heat.step(100)
    assert heat.plan.name == "eager"
    assert 10_000 < switch_of(heat) < 1_000_000  # of 0.07 ms, where compiling takes 8 to 16 s


@pytest.mark.usefixtures("soon")
def test_the_plan_takes_over_at_one_step_in_any_split_into_calls() -> None:
    whole, single, parts = motor(), motor(), motor()
    whole.step(1)
    switch = switch_of(whole)
    assert 2 < switch < 20
    whole.step(29)
    for _ in range(30):
        assert single.plan.name == "eager" or single.step_count > switch
        single.step(1)
    for steps in (switch - 1, 2, 29 - switch):
        parts.step(steps)
    assert whole.plan.name == single.plan.name == parts.plan.name == "compiled"
    assert torch.equal(whole.cells, single.cells)
    assert torch.equal(whole.cells, parts.cells)
    eager = motor(plan="eager")
    eager.step(switch)
    first = motor()
    first.step(switch)
    assert torch.equal(first.cells, eager.cells)
    eager.step(30 - switch)
    assert not torch.equal(whole.cells, eager.cells), "the fixture's plan does not show"


@pytest.mark.usefixtures("soon")
def test_a_run_after_a_restart_and_one_from_a_saved_state_equal_the_first_to_the_last_bit() -> None:
    first = motor()
    first.step(3)
    early = first.state_dict()
    first.step(22)
    late = first.state_dict()
    first.step(15)
    expected = first.cells
    first.restart()
    assert first.step_count == 0
    first.step(40)
    assert torch.equal(first.cells, expected)
    for saved in (early, late):
        other = motor()
        other.load_state_dict(saved)
        other.step(40 - saved["step"])
        assert torch.equal(other.cells, expected)


@pytest.mark.usefixtures("soon")
def test_the_step_does_not_depend_on_the_time_that_steps_take() -> None:
    class Slow(Plain):
        def forward(self, cells: Tensor) -> Tensor:
            time.sleep(0.002)
            return super().forward(cells)

    found = []
    for law in (Plain(), Slow(), Slow()):
        one = motor(law)
        one.step(1)
        found.append(switch_of(one))
    assert len(set(found)) == 1


@pytest.mark.usefixtures("soon")
def test_warm_up_and_a_known_number_of_steps_let_no_step_wait() -> None:
    warmed, planned = motor(), motor(planned_steps=2**40)
    assert warmed.warm_up().name == "compiled"
    planned.step(1)
    assert planned.plan.name == "compiled"
    warmed.step(1)
    assert torch.equal(warmed.cells, planned.cells)
    later = motor()
    later.step(2)
    assert later.plan.name == "eager"
    assert later.warm_up().name == later.plan.name == "compiled"


@pytest.mark.usefixtures("soon")
def test_the_plan_says_what_is_in_use_and_what_comes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aetheria")
    one = motor()
    assert (one.plan.name, one.fixed_plan) == ("eager", "")
    assert "a faster plan after as many steps as cost what making it does" in one.plan.reason
    one.step(1)
    switch = switch_of(one)
    assert (one.plan.name, one.fixed_plan) == ("eager", "")
    assert f"plan compiled is made at step {switch}, after {(switch - 1) * 120:,} more cell updates" in one.plan.reason
    assert f"plan eager until step {switch} ({switch * 120} cell updates), then compiled" in caplog.text
    one.step(switch)
    assert (one.plan.name, one.fixed_plan) == ("compiled", "compiled")
    assert one.plan.reason == "no faster form is known"
    assert "plan compiled: no faster form is known" in caplog.text
    assert motor(plan="eager").plan.name == "eager"
    assert motor(planned_steps=5).plan.reason == "is made at the first step, or by warm_up()"


def test_a_step_that_costs_more_than_making_the_plan_is_not_taken_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cost.NOMINAL, "cpu", cost.NominalMachine(1e-3, 1.0, 1.0))
    one = small_motor(small_law("GrowingNCA"), cfg={"plan": "auto"})
    one.step(1)
    assert one.plan.name == "fused"


def test_an_exact_law_takes_its_kernel_at_once_where_it_is_compiled_already() -> None:
    one = small_motor(Life(), (20, 70), cfg={"plan": "auto"})
    build.native_kernel.cache_clear()
    small_motor(Life(), (20, 70), cfg={"plan": "packed"}).warm_up()
    one.step(1)
    assert one.plan.name == "packed"
    fresh = small_motor(small_law("GrowingNCA"), cfg={"plan": "auto"})
    fresh.step(1)
    assert fresh.plan.name == "eager", "where bits differ, the machine's cache must not decide"


def test_a_law_that_no_plan_can_follow_stays_eager_and_says_so() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n = 0

        def forward(self, cells: Tensor) -> Tensor:
            self.n += 1
            return cells * 0.9 + self.n

    one = Aetheria_Motor(Counts(), 8, 1, "cpu")
    one.step(5)
    assert (one.plan.name, one.fixed_plan, one._loop.stepper.switch) == ("eager", "eager", None)
    assert "Counts keeps state of its own" in one.plan.reason
    assert one.law.n == 5


def test_a_recording_begun_in_eager_steps_names_no_plan(tmp_path: Path) -> None:
    one = Aetheria_Motor(GrowingNCA(), 16, 16, "cpu", seed=1)
    one.step(2)
    with Recorder(one, tmp_path / "run.h5", fields=["population"], every=2):
        one.step(2)
    with Recording(tmp_path / "run.h5") as recording:
        assert recording.attributes["plan"] == ""


@pytest.mark.parametrize("name", ["Life", "MLP", "GrowingNCA"])
def test_the_cost_of_a_step_grows_with_the_grid_and_is_counted_the_same_each_time(name: str) -> None:
    found = []
    law = Life("B36/S236") if name == "Life" else small_law(name)  # a rule whose kernel nobody has compiled
    for side in (64, 64, 128):
        one = small_motor(law, (side, side), cfg={"plan": "auto"})
        found.append(choose.eager_start(one.traits, one._loop.stepper.state).steps)
    assert found[0] == found[1]
    assert found[0] > found[2] > 0  # type: ignore[operator]
