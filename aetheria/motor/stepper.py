"""The stepper: the state of one law, in the form of the plan that advances it."""

import logging
import threading
import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aetheria.core.device import memory_named
from aetheria.core.errors import DivergedError
from aetheria.laws.base import Law
from aetheria.laws.own_state import OwnState
from aetheria.motor.cells import finite
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.stepping import Plan, PlanName, State, choose_plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moment:
    """A state and the number of steps that made it. Replaced as a whole, so that Ctrl-C never parts the two.

    Attributes:
        step: steps done.
        seed: of the run's initial cells and random numbers.
        shown: cells and memory in the public form, or None where only `held` is there.
        held: cells and memory in the form of `plan`, or None.
    """

    step: int
    seed: int
    shown: State | None
    held: State | None = None
    plan: Plan | None = None


class Stepper:
    """Advances a state `(cells, *memory)`. Not safe for threads: for the holder of the step loop's lock.

    Attributes:
        law: the law being stepped.
        plan: how the law is advanced; None before the first step.
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
        self.plan: Plan | None = None
        self.own = OwnState(law)
        self._planning = False
        self._optimizer = optimizer
        self._wanted: PlanName = wanted
        self._planned_steps = planned_steps
        # A module with state of its own cannot be tried by another thread while this one steps it.
        self._background = background and optimizer.device.type == "cpu" and wanted != "eager" and not self.own
        self._now = Moment(0, seed, None)
        self._ready: Plan | Exception | None = None  # made in the background
        optimizer.step_count = lambda: self.step

    @property
    def step(self) -> int:
        """Steps done."""
        return self._now.step

    @property
    def seed(self) -> int:
        """Seed of the run's initial cells and random numbers."""
        return self._now.seed

    @property
    def state(self) -> State:
        """Cells and memory in the public form."""
        now = self._now
        if now.shown is not None:
            return now.shown
        assert now.plan is not None
        assert now.held is not None
        with torch.inference_mode():
            shown = now.plan.unpack(now.held)
        self._now = replace(now, shown=shown)
        return shown

    @state.setter
    def state(self, state: State) -> None:
        self.go_to(state, self._now.step, self._now.seed)

    def go_to(self, state: State, step: int, seed: int) -> None:
        """Replaces state, step and seed together."""
        self._now = Moment(step, seed, state)

    @property
    def planning(self) -> bool:
        """Whether a plan is being made in the background; steps are eager until it is ready."""
        return self._planning and self._ready is None

    def probe(self) -> Tensor:
        """A tensor that holds NaN or Inf if the cells do, in the form that is held now."""
        now = self._now
        if now.plan is not None and now.held is not None:
            return now.plan.probe(now.held)
        return self.state[0]

    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells, unless their plan holds whole numbers."""
        with torch.inference_mode():
            probe = self.probe()
            if probe.is_floating_point() and not finite(probe):
                raise DivergedError(f"{self.law.name}: cells hold NaN or Inf at step {self.step}; frames shown before are good")

    def advance(self, plan: Plan, steps: int) -> None:
        """Takes steps by the plan that `current` gave just now. Steps that an exception interrupts were not taken."""
        marks = self.own.marks() if self.own else None
        with torch.inference_mode(), self._optimizer.numerics(), memory_named(self.law.name):
            self._advance(plan, steps)
        if marks is not None:
            self.own.note_changes(marks)

    def _advance(self, plan: Plan, steps: int) -> None:
        own, state = self.own.saved(), self.state if self._now.plan is not plan else None
        now = self._now
        held = now.held if state is None else plan.pack(state)
        assert held is not None
        try:
            self._now = Moment(now.step + steps, now.seed, None, plan.advance(held, steps, now.step), plan)
        except BaseException:
            newest, taken = plan.reached(held)
            if self._now is now:
                if taken == 0:
                    self.own.restore(own)
                self._now = Moment(now.step + taken, now.seed, None, newest, plan)
            raise

    def change(self) -> Tensor:
        """The change `(B, C, *grid)` that the next step makes; evaluating it changes nothing."""
        cells, *memory = self.state
        with self.own.undisturbed(cells.device):
            if self.law.phases == 1:
                return self.law.change(cells, *memory)
            after = self.law(cells, *memory, phase=self.step % self.law.phases)
            return (after if isinstance(after, Tensor) else after[0]) - cells

    def current(self) -> Plan:
        """The plan for the next steps.

        Raises:
            LawError: the law cannot step these cells.
        """
        if self._ready is not None:
            self._take_over(self._ready)
        plan = self.plan
        if plan is None or plan.stale():
            self.state = self.state  # in the public form alone, which the next plan can read
            plan = self.plan = self._chosen("eager" if self._background else self._wanted)
            if self._background and not self._planning:
                self._plan_in_background(plan)
        return plan

    def _chosen(self, wanted: PlanName) -> Plan:
        with torch.inference_mode(), self._optimizer.numerics(), memory_named(self.law.name):
            return choose_plan(
                self.law,
                self.state,
                wanted=wanted,
                precision=self._optimizer.precision,
                planned_steps=self._planned_steps,
                own=self.own,
            )

    def _plan_in_background(self, meanwhile: Plan) -> None:
        state = tuple(tensor.clone() for tensor in self.state)
        meanwhile.reason = "until the plan made in the background is ready"
        self._planning = True

        def work() -> None:
            try:
                with torch.inference_mode(), self._optimizer.numerics():
                    self._ready = choose_plan(
                        self.law,
                        state,
                        wanted=self._wanted,
                        precision=self._optimizer.precision,
                        planned_steps=self._planned_steps,
                    )
            except Exception as error:  # noqa: BLE001 - reported by the stepping thread
                self._ready = error

        # No daemon: those are torn down at exit wherever they are, and torch's code does not survive that.
        threading.Thread(target=work, name="plan", daemon=False).start()

    def _take_over(self, ready: Plan | Exception) -> None:
        """Goes on by the plan that the background made."""
        self._ready, self._planning = None, False
        if isinstance(ready, Exception):
            self._wanted = "eager"
            assert self.plan is not None
            self.plan.reason = str(ready)
            warnings.warn(
                f"{self.law.name} goes on by plan eager: same result, slower. Reason: {ready}", RuntimeWarning, stacklevel=2
            )
            return
        self.plan = ready
        log.info("plan %s takes over", ready.name)
