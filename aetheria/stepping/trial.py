"""Trials: a law is stepped eagerly twice, and plans are compared with that."""

from collections.abc import Mapping

import torch
from torch import Tensor

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import LawError
from aetheria.core.rng_state import random_states, set_random_states
from aetheria.laws.own_state import OwnState
from aetheria.stepping.factories import PlanFactory, StepProblem
from aetheria.stepping.plan import Plan, State, settled

# Per precision: how far a plan may be from eager after two steps, relative to the largest cell.
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp64": 1e-10}
_TIPPED = 1e-3  # share of the cells that rounding may tip over a threshold
_VARIED = 0.01  # share of the cells that must differ from their neighbours for the state to tell plans apart


class Trial:
    """Eager steps of a law, from its state or, where that is too uniform to tell plans apart, from random cells.

    Attributes:
        changed: names of the law's own state that the steps changed.
        draws: the law draws random numbers of its own.
        unrepeatable: two steps from the same state differ, with the same random numbers too.
    """

    def __init__(self, problem: StepProblem, own: OwnState, steps: int = 2) -> None:
        """
        Args:
            steps: eager ones; two for plans to be compared with.

        Raises:
            LawError: the law cannot step this state, or returns something of another shape.
        """
        self._problem, self._own, self._steps = problem, own, steps
        self._device = problem.state[0].device
        self._start = _telling_state(problem)
        self._first_own = own.capture()
        self._random = random_states(self._device) if own else {}
        marks = own.marks()
        self._expected = self._eager_steps()
        self.changed = own.note_changes(marks) if own else set()
        self._last_own = own.capture()
        self.draws = bool(own) and _differ(self._random, random_states(self._device))
        self.unrepeatable = False
        if own:
            self._rewind()
            self.unrepeatable = not all(map(_equal, self._eager_steps(), self._expected))

    def why_not(self, factory: PlanFactory) -> str:
        """Why a plan cannot follow what the law does besides mapping cells to cells; empty if it can."""
        name = self._problem.law.name
        if self.draws and not factory.follows_own_state:
            return f"{name} draws random numbers of its own"
        if self.unrepeatable:
            return f"two steps of {name} from the same state differ, so that no plan can be compared with it"
        if self.changed and not (factory.follows_own_state and self._own.in_buffers(self.changed)):
            return f"{name} keeps state of its own ({', '.join(sorted(self.changed))})"
        return ""

    def checked(self, factory: PlanFactory) -> Plan:
        """The plan, compared with the eager steps.

        Raises:
            RuntimeError: it does not agree. Exception: whatever a compiler or its backend throws.
        """
        self._rewind()
        plan = factory.make(self._problem)
        self._rewind()
        held = plan.advance(plan.pack(_cloned(self._start)), self._steps)
        self._compare(plan.unpack(held))
        if self.changed:
            now = self._own.capture()
            if not all(_close(now[name], self._last_own[name]) for name in self.changed):
                raise RuntimeError(f"its step leaves other values in {', '.join(sorted(self.changed))} than the eager one")
        return plan

    def _rewind(self) -> None:
        if self._own:
            self._own.restore(self._first_own)
            set_random_states(self._random, self._device)

    def _eager_steps(self) -> State:
        state = self._start
        for number in range(self._steps):
            state = _checked_step(self._problem, state, number)
        return state

    def _compare(self, given: State) -> None:
        law = self._problem.law
        tolerance = 0.0 if law.exact else TOLERANCE[self._problem.precision]
        tipped = _TIPPED if law.tipping else 0.0
        for one, other in zip(given, self._expected, strict=True):
            close = (one == other) | (one.isnan() & other.isnan())
            if one.is_floating_point():
                close |= (one - other).abs() <= tolerance * other.abs().max().clamp_min(1e-30)
            if (~close).double().mean() > tipped:
                raise RuntimeError("its step does not agree with the eager one")


def _telling_state(problem: StepProblem) -> State:
    """The state to compare plans on: an empty grid, or one live cell, would hide a wrong step."""
    cells, *memory = problem.state
    if (cells != cells.roll(1, -1)).count_nonzero() >= _VARIED * cells.numel():
        return problem.state
    generator = torch.Generator().manual_seed(0)
    grid = tuple(cells.shape[2:])
    drawn = torch.stack([problem.law.random_cells(grid, generator) for _ in range(len(cells))])
    return (settled(drawn.to(cells.device), cells), *memory)


def _checked_step(problem: StepProblem, state: State, number: int) -> State:
    """An eager step of a copy: a law that does not fit says so here, not somewhere inside a compiler."""
    name = problem.law.name
    phase = {"phase": number % problem.law.phases} if problem.law.phases > 1 else {}
    try:
        out = problem.call()(*_cloned(state), **phase)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise LawError(
            f"{name} cannot step cells of shape {tuple(state[0].shape)}: {error}. (For a module with complex amplitudes, "
            "wrap it: Quantum(net, d_state))"
        ) from error
    shapes = [tuple(t.shape) if isinstance(t, Tensor) else type(t).__name__ for t in out]
    wanted = [tuple(t.shape) for t in state]
    if shapes != wanted:
        raise LawError(f"{name} returned {shapes} for {wanted}; a step must return cells, then memory, of the same shapes")
    return tuple(map(settled, out, state))


def _cloned(state: State) -> State:
    return tuple(tensor.clone() for tensor in state)


def _differ(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    return any(not torch.equal(tensor, after[name]) for name, tensor in before.items())


def _equal(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _close(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-6, equal_nan=True)
    return bool(one == other)
