"""The stepper: the state of one law, in the form of the plan that advances it."""

import torch
from torch import Tensor

from aetheria.core.device import memory_named
from aetheria.core.errors import DivergedError
from aetheria.laws.base import Law
from aetheria.laws.own_state import OwnState
from aetheria.motor.cells import finite
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.planner import Planner
from aetheria.stepping import Plan, PlanName, State


class Stepper:
    """Advances a state `(cells, *memory)`. Not safe for threads: for the holder of the step loop's lock.

    Attributes:
        law: the law being stepped.
        step: steps done.
        seed: of the run's initial cells and random numbers.
        own: the state that the law's modules keep themselves.
    """

    def __init__(
        self,
        law: Law,
        optimizer: GPUOptimizer,
        seed: int,
        *,
        wanted: PlanName,
        planned_steps: int | None,
        background: bool,
    ) -> None:
        """
        Args:
            law: the law to step, on the device and in eval mode.
            optimizer: whose precision and switches hold while it steps.
            seed: of the run.
            wanted: a plan by name, or "auto".
            planned_steps: number of steps that the run will take, if known.
            background: make the plan in another thread (CPU only: CUDA graphs belong to the thread that captures them).
        """
        self.law = law
        self.step = 0
        self.seed = seed
        self.own = OwnState(law)
        self._optimizer = optimizer
        self._planner = Planner(law, self.own, optimizer, wanted=wanted, planned_steps=planned_steps, background=background)
        self._plan: Plan | None = None  # of `_held`
        self._held: State | None = None  # the state in the plan's own form, or None when `_shown` is newer
        self._shown: State | None = None
        optimizer.step_count = lambda: self.step

    @property
    def state(self) -> State:
        """Cells and memory in the public form."""
        if self._shown is None:
            assert self._plan is not None
            assert self._held is not None
            with torch.inference_mode():
                self._shown = self._plan.unpack(self._held)
        return self._shown

    @state.setter
    def state(self, state: State) -> None:
        self._held, self._shown = None, state

    @property
    def plan(self) -> Plan:
        """How the law is advanced, or will be."""
        return self._planner.described(self.step)

    @property
    def fixed_plan(self) -> str:
        """Name of the plan that takes all steps from here on; empty while that is open."""
        return self._planner.fixed_plan

    @property
    def planning(self) -> bool:
        """Whether a plan is being made; if that is in the background, steps are eager until it is ready."""
        return self._planner.planning

    @property
    def switch(self) -> int | None:
        """The step at which another plan takes over; None if the present one stays."""
        return self._planner.switch(self.step)

    def probe(self) -> Tensor:
        """A tensor that holds NaN or Inf if the cells do, in the form that is held now."""
        if self._plan is not None and self._held is not None:
            return self._plan.probe(self._held)
        return self.state[0]

    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells, unless their plan holds whole numbers."""
        with torch.inference_mode():
            probe = self.probe()
            if probe.is_floating_point() and not finite(probe):
                raise DivergedError(f"{self.law.name}: cells hold NaN or Inf at step {self.step}; frames shown before are good")

    def advance(self, plan: Plan, steps: int) -> None:
        """Takes steps by the plan that `current` gave just now."""
        marks = self.own.marks() if self.own else None
        with torch.inference_mode(), self._optimizer.numerics(), memory_named(self.law.name):
            held = plan.pack(self.state) if self._held is None else self._held
            self._held, self._shown = plan.advance(held, steps, self.step), None
        self.step += steps
        if marks is not None:
            self.own.note_changes(marks)

    def change(self) -> Tensor:
        """The change `(B, C, *grid)` that the next step makes; evaluating it changes nothing."""
        cells, *memory = self.state
        with self.own.undisturbed(cells.device):
            if self.law.phases == 1:
                return self.law.change(cells, *memory)
            after = self.law(cells, *memory, phase=self.step % self.law.phases)
            return (after if isinstance(after, Tensor) else after[0]) - cells

    def current(self) -> Plan:
        """The plan for the steps up to `switch`.

        Raises:
            LawError: the law cannot step these cells.
        """
        plan = self._planner.plan_at(self.step, lambda: self.state)
        if plan is not self._plan:
            self.state, self._plan = self.state, plan  # in the public form, which the next plan can read
        return plan

    def warm_up(self) -> Plan:
        """Makes the plan now instead of after a number of eager steps, and returns it. Raises what `current` does."""
        self._planner.make_now()
        return self.current()
