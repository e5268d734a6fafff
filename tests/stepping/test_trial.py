"""Plans for large grids are tried on a small grid and in windows of the large one; wrong plans of many kinds are found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aetheria import law_from_rule
from aetheria.laws import MLP, ConvLSTM, GrowingNCA, Law, Lenia, Life, UNet
from aetheria.laws.base import as_law
from aetheria.laws.own_state import OwnState
from aetheria.stepping import choose_plan
from aetheria.stepping.factories import PLAN_FACTORIES, make_eager
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.plan_factory import PlanFactory, StepProblem
from aetheria.stepping.small_grid import small_problem
from aetheria.stepping.trial import Trial

LARGE = (300, 1100)  # four times the cells of the small grid, and no side a multiple of a word's 64 cells


def problem(law: Law, grid: tuple[int, ...] = LARGE, batch: int = 1) -> StepProblem:
    generator = torch.Generator().manual_seed(1)
    cells = torch.stack([law.random_cells(grid, generator) for _ in range(batch)])
    memory = law.initial_memory(cells, 5) if law.stochastic else law.initial_memory(cells)  # type: ignore[call-arg]
    return StepProblem(law.eval(), (cells, *memory), "fp32")


class Altered(Plan):
    """The eager plan, with a fault."""

    name = "altered"

    def __init__(self, given: StepProblem, fault: Callable[[State, int], None]) -> None:
        self._eager, self._fault = make_eager(given), fault

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        for number in range(first, first + steps):
            held = tuple(tensor.clone() for tensor in self._eager.advance(held, 1, number))
            self._fault(held, number)
        return held


def factory(fault: Callable[[State, int], None]) -> PlanFactory:
    return PlanFactory("altered", "", 0, lambda _: "", lambda given: Altered(given, fault), any_grid=True)


def right(held: State, step: int) -> None:
    pass


def at(*place: int | slice) -> Callable[[State, int], None]:
    """A fault in the cells there."""

    def fault(held: State, step: int) -> None:
        held[0][(..., *place)] = 1 - held[0][(..., *place)]

    return fault


def in_a_later_step(held: State, step: int) -> None:
    if step:
        at(5, 7)(held, step)


def in_memory(held: State, step: int) -> None:
    held[-1].add_(1)


def in_the_last_word(held: State, step: int) -> None:
    at(slice(None), slice(held[0].shape[-1] // 64 * 64, None))(held, step)


def on_large_grids(*place: int | slice) -> Callable[[State, int], None]:
    """A fault as of an index that overflows: only where there are many cells."""

    def fault(held: State, step: int) -> None:
        if held[0][0, 0].numel() >= 300 * 1100:
            at(*place)(held, step)

    return fault


WRONG: dict[str, tuple[Callable[[State, int], None], Callable[[], Law]]] = {
    "at the east edge": (at(slice(None), -1), Life),
    "at the north edge": (at(0), lambda: Lenia(R=5, m=0.3, s=0.06)),
    "in one cell, for an exact law": (at(30, 100), Life),
    "away from the corner": (at(slice(20, 40), slice(60, 90)), lambda: MLP(1, 4)),
    "in a later step": (in_a_later_step, Life),
    "in memory": (in_memory, lambda: ConvLSTM(1, 4)),
    "in the memory of a stochastic law": (in_memory, lambda: GrowingNCA(5, 8)),
    "beyond the last whole word": (in_the_last_word, Life),
    "on large grids, at the end": (on_large_grids(slice(-20, -10), slice(-20, -10)), Life),
    "on large grids, in the middle": (on_large_grids(slice(100, 200), slice(400, 700)), lambda: UNet(1, 4, normalise="cell")),
    "on large grids, everywhere": (on_large_grids(slice(None)), lambda: GrowingNCA(5, 8)),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_plan_for_a_large_grid_is_found(case: str) -> None:
    fault, make = WRONG[case]
    given = problem(make())
    trial = Trial(given, OwnState(given.law))
    trial.checked(factory(right))
    with pytest.raises(RuntimeError, match="does not agree with the eager one"):
        trial.checked(factory(fault))


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize("law", [Life, Lenia, GrowingNCA, MLP, UNet])
def test_our_kernels_pass_the_trial_for_a_large_grid(law: Any, boundary: str) -> None:
    settings = {MLP: {"d_state": 1, "hidden_channels": 4}, UNet: {"d_state": 1, "hidden_channels": 16}}
    given = problem(law(**settings.get(law, {}), boundary=boundary), (268, 1100) if law is UNet else LARGE)
    before = [tensor.clone() for tensor in given.state]
    with torch.inference_mode():
        plan = choose_plan(given.law, given.state)
    assert plan.name in ("packed", "fused", "winograd")
    assert all(map(torch.equal, given.state, before)), "the trial left its marks in the state"


@pytest.mark.parametrize(
    ("rule", "boundary"),
    [
        *(("B3/S23", boundary) for boundary in ("sphere", "cross-surface", "klein-x", "periodic-y+3")),
        ("345/2/4", "sphere"),
        ("R2,C0,M1,S5..9,B6..8,NM", "zero"),
    ],
)
def test_kernels_of_other_rules_and_surfaces_pass_the_trial_and_wrong_ones_do_not(rule: str, boundary: str) -> None:
    given = problem(law_from_rule(rule, boundary=boundary), (700, 700))
    small = small_problem(given)
    assert small is not None
    assert small.state[0].shape[2:] == ((124, 316) if boundary == "zero" else (316, 316))
    with torch.inference_mode():
        assert choose_plan(given.law, given.state).name == "packed"
    with pytest.raises(RuntimeError, match="does not agree"):
        Trial(given, OwnState(given.law)).checked(factory(at(0)))


def test_an_empty_large_grid_hides_no_wrong_plan() -> None:
    given = problem(Life())
    empty = replace(given, state=(torch.zeros_like(given.state[0]),))
    trial = Trial(empty, OwnState(given.law))
    trial.checked(factory(right))
    for fault in (at(30, 100), on_large_grids(slice(-20, -10), slice(-20, -10))):
        with pytest.raises(RuntimeError, match="does not agree"):
            trial.checked(factory(fault))
    assert not empty.state[0].any()


@pytest.mark.parametrize("law", [Life(), MLP(1, 4)])
def test_eager_steps_of_a_trial_are_of_few_cells_however_large_the_grid(law: Law, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = type(law).forward

    def forward(self: Law, cells: Tensor) -> Any:
        seen.append(cells[0, 0].numel())
        return original(self, cells)

    monkeypatch.setattr(type(law), "forward", forward)
    given = problem(law, (1030, 1100), 17)
    with torch.inference_mode():
        choose_plan(given.law, given.state)
    assert max(seen) <= 128 * 512


@pytest.mark.parametrize("sides", [(1000, 1000), (77, 3001), (4096, 64), (130, 517)])
def test_the_small_grid_has_the_remainders_of_the_large_one(sides: tuple[int, int]) -> None:
    for law in (Life(), UNet(1, 4), Lenia(R=13)):
        grid = tuple(-(-side // law.divisor) * law.divisor for side in sides)
        small = small_problem(problem(law, grid, 19))
        assert small is not None
        batch, *few = len(small.state[0]), *small.state[0].shape[2:]
        assert batch % 8 == 19 % 8
        assert [side % 64 for side in few] == [side % 64 for side in grid]
        assert all(side >= min(4 * (law.radius or 0), large) for side, large in zip(few, grid, strict=True))


def test_a_small_grid_stands_for_itself() -> None:
    assert small_problem(problem(Life(), (64, 64))) is None


class Sized(nn.Module):
    """Steps grids of one size only, and is no class of its own file's: layers of torch."""

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(grid))

    def forward(self, cells: Tensor) -> Tensor:
        return cells * self.gain


def test_a_module_for_one_size_is_tried_on_that_size() -> None:
    for module in (nn.Sequential(nn.LayerNorm(LARGE)), Sized(LARGE)):
        law = as_law(module, 1)
        given = StepProblem(law.eval(), (torch.rand(1, 1, *LARGE),), "fp32")
        trial = Trial(given, OwnState(law))
        trial.checked(factory(right))
        with pytest.raises(RuntimeError, match="does not agree"):
            trial.checked(factory(at(slice(200, 210))))


def test_every_kernel_of_the_cpu_is_tried_on_a_small_grid() -> None:
    assert {one.name for one in PLAN_FACTORIES if one.any_grid} == {"packed", "fused", "winograd"}
