"""Trials: a law is stepped eagerly twice, and plans are compared with that."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.core.rng_state import random_states, set_random_states
from aetheria.laws.own_state import OwnState
from aetheria.stepping.cost import StepCost
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.plan_factory import PlanFactory, StepProblem
from aetheria.stepping.reference import check_agreement, eager_steps
from aetheria.stepping.small_grid import check_windows, random_cells, small_problem, varied


@dataclass(frozen=True)
class Reference:
    """A state of a problem, and the state that eager steps lead to."""

    problem: StepProblem
    after: State


class Trial:
    """Eager steps of a law: of a small grid, where one can stand for the large one, else of the given state.

    Attributes:
        changed: names of the law's own state that the steps changed.
        draws: the law draws random numbers of its own.
        unrepeatable: two steps from the same state differ, with the same random numbers too.
        seconds: of an eager step of the given state, on a nominal machine; 0 where they are not counted.
    """

    def __init__(self, problem: StepProblem, own: OwnState, steps: int = 2, *, counted: bool = False) -> None:
        """
        Args:
            steps: eager ones; two for plans to be compared with.
            counted: count the cost of an eager step.

        Raises:
            LawError: the law cannot step this state, or returns something of another shape.
        """
        self._problem, self._own, self._steps = problem, own, steps
        self._device = problem.state[0].device
        self._first_own = own.capture()
        self._random = random_states(self._device) if own else {}
        marks = own.marks()
        self.seconds = 0.0
        self._reference = self._first_reference(counted)
        self.changed = own.note_changes(marks) if own else set()
        self._last_own = own.capture()
        self.draws = bool(own) and _differ(self._random, random_states(self._device))
        self.unrepeatable = False
        if own:
            self._rewind()
            self.unrepeatable = not all(map(_equal, self._again(), self._reference.after))

    def _first_reference(self, counted: bool) -> Reference:
        """Eager steps of a small grid, or of the state itself."""
        # A module of unknown kind may keep something of the grid's size, or count on it.
        small = None if self._own else small_problem(self._problem)
        if small is not None:
            try:
                return self._stepped(small, counted)
            except (LawError, RuntimeError):
                pass  # its memory, or a layer, does not go with another grid
        return self._stepped(_telling(self._problem), counted)

    def _stepped(self, problem: StepProblem, counted: bool = False) -> Reference:
        cost = StepCost()
        with cost if counted else nullcontext():
            reference = Reference(problem, eager_steps(problem, problem.state, self._steps))
        larger = self._problem.state[0].numel() / problem.state[0].numel()
        self.seconds = cost.seconds(problem.device, larger) / self._steps
        return reference

    def _again(self) -> State:
        problem = self._reference.problem
        return eager_steps(problem, problem.state, self._steps)

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
        """The plan for the given state, compared with eager steps.

        Raises:
            RuntimeError: it does not agree. Exception: whatever a compiler or its backend throws.
        """
        if self._problem.on_cuda or not (factory.any_grid and self._is_small):
            return self._compared(factory, self._whole)
        self._compared(factory, self._reference)
        plan = factory.make(self._problem)
        check_windows(self._problem, plan)
        return plan

    @property
    def _is_small(self) -> bool:
        return self._reference.problem.state[0].shape != self._problem.state[0].shape

    @cached_property
    def _whole(self) -> Reference:
        """Eager steps of the whole grid."""
        return self._stepped(_telling(self._problem)) if self._is_small else self._reference

    def _compared(self, factory: PlanFactory, reference: Reference) -> Plan:
        self._rewind()
        plan = factory.make(reference.problem)
        self._rewind()
        held = plan.advance(plan.pack(tuple(tensor.clone() for tensor in reference.problem.state)), self._steps)
        check_agreement(self._problem, plan.unpack(held), reference.after)
        if self.changed:
            now = self._own.capture()
            if not all(_close(now[name], self._last_own[name]) for name in self.changed):
                raise RuntimeError(f"its step leaves other values in {', '.join(sorted(self.changed))} than the eager one")
        return plan

    def _rewind(self) -> None:
        if self._own:
            self._own.restore(self._first_own)
            set_random_states(self._random, self._device)


def _telling(problem: StepProblem) -> StepProblem:
    """The problem with cells that tell plans apart."""
    cells, *memory = problem.state
    return problem if varied(cells) else replace(problem, state=(random_cells(problem.law, cells), *memory))


def _differ(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    return any(not torch.equal(tensor, after[name]) for name, tensor in before.items())


def _equal(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _close(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-6, equal_nan=True)
    return bool(one == other)
