"""The stepper: the state of one law, in the form of the plan that advances it."""

import logging
import threading
import warnings

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


class Stepper:
    """Advances a state `(cells, *memory)`. Not safe for threads: for the holder of the step loop's lock.

    Attributes:
        law: the law being stepped.
        step: steps done.
        seed: of the run's initial cells and random numbers.
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
        self.step = 0
        self.seed = seed
        self.plan: Plan | None = None
        self.own = OwnState(law)
        self._planning = False
        self._optimizer = optimizer
        self._precision = optimizer.precision  # that the plan was made for
        self._wanted: PlanName = wanted
        self._planned_steps = planned_steps
        # A module with state of its own cannot be tried by another thread while this one steps it.
        self._background = background and optimizer.device.type == "cpu" and wanted != "eager" and not self.own
        self._held: State | None = None  # the state in the plan's own form, or None when `_shown` is newer
        self._shown: State | None = None
        self._ready: Plan | Exception | None = None  # made in the background
        optimizer.step_count = lambda: self.step

    @property
    def state(self) -> State:
        """Cells and memory in the public form."""
        if self._shown is None:
            assert self.plan is not None
            assert self._held is not None
            with torch.inference_mode():
                self._shown = self.plan.unpack(self._held)
        return self._shown

    @state.setter
    def state(self, state: State) -> None:
        self._held, self._shown = None, state

    @property
    def planning(self) -> bool:
        """Whether a plan is being made in the background; steps are eager until it is ready."""
        return self._planning and self._ready is None

    def probe(self) -> Tensor:
        """A tensor that holds NaN or Inf if the cells do, in the form that is held now."""
        if self.plan is not None and self._held is not None:
            return self.plan.probe(self._held)
        return self.state[0]

    @property
    def may_diverge(self) -> bool:
        """Whether the cells could hold NaN or Inf in the form that is held now."""
        held = self._held if self.plan is not None and self._held is not None else self.state
        return held[0].is_floating_point()

    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells, unless their plan holds whole numbers."""
        with torch.inference_mode():
            if self.may_diverge and not finite(self.probe()):
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
        """The plan for the next steps.

        Raises:
            LawError: the law cannot step these cells.
        """
        if self._ready is not None:
            self._take_over(self._ready)
        plan = self.plan
        # Products in the old precision are built into graphs and kernels.
        if plan is None or plan.stale() or self._precision != self._optimizer.precision:
            self._precision = self._optimizer.precision
            self.state, self.plan = self.state, None  # in the public form, which the next plan can read
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
        self.state, self.plan = self.state, ready
        log.info("plan %s takes over", ready.name)
