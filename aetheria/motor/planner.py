"""The planner: which plan takes the next steps, and when it is made."""

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from aetheria.core.device import memory_named
from aetheria.core.printable import get_logger
from aetheria.laws.base import Law
from aetheria.laws.own_state import OwnState
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.stepping import EagerStart, Plan, PlanName, State, choose_plan, eager_start

log = get_logger(__name__)


class ComingPlan(Plan):
    """Stands for the plan of a motor that has not stepped yet: a name and a reason, no steps."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason


class Planner:
    """Makes the plans of one motor: at once, in the background, or after eager steps that have cost as much.

    A run of unknown length begins eagerly. The step at which its plan takes over depends on the law and the grid alone, so
    that a run comes out the same in any split into calls, after a restart, and continued from a saved state.
    """

    def __init__(
        self,
        law: Law,
        own: OwnState,
        optimizer: GPUOptimizer,
        *,
        wanted: PlanName,
        planned_steps: int | None,
        background: bool,
    ) -> None:
        """
        Args:
            law: the law to step.
            own: the state that its modules keep themselves.
            optimizer: whose precision and switches hold while plans are tried.
            wanted: a plan by name, or "auto".
            planned_steps: number of steps that the run will take, if known.
            background: make the plan in another thread (CPU only: CUDA graphs belong to the thread that captures them).
        """
        self._law, self._own, self._optimizer = law, own, optimizer
        self._precision = optimizer.precision  # that the plan was made for
        self._wanted: PlanName = wanted
        self._planned_steps = planned_steps
        # A module with state of its own cannot be tried by another thread while this one steps it.
        self._background = background and optimizer.device.type == "cpu" and wanted != "eager" and not own
        self._waits = wanted == "auto" and planned_steps is None and not self._background  # for eager steps
        self._start: EagerStart | None = None
        self._plan: Plan | None = None  # for the steps after the eager start
        self._in_use: Plan | None = None
        self._cells = 0  # in all universes; once it is known
        self._making = False
        self._ready: Plan | Exception | None = None  # made in the background

    # -- for readers, in any thread ------------------------------------------------------------------------------

    @property
    def planning(self) -> bool:
        """Whether a plan is being made."""
        return self._making and self._ready is None

    def described(self, step: int) -> Plan:
        """The plan in use; before the first step, the one to come. Its `reason` says what comes next."""
        plan = self._in_use
        if plan is None:
            if self._waits:
                return ComingPlan("eager", "at first; a faster plan after as many steps as cost what making it does")
            return ComingPlan(self._wanted, "is made at the first step, or by warm_up()")
        if (switch := self.switch(step)) is not None and self._start is not None:
            updates = (switch - step) * self._cells
            plan.reason = (
                f"at first; plan {self._start.then} is made at step {switch:,}, after {updates:,} more cell updates, "
                "which cost as much as making it (warm_up() makes it now)"
            )
        return plan

    @property
    def fixed_plan(self) -> str:
        """Name of the plan that takes all steps from here on; empty while that is open."""
        plan, start = self._in_use, self._start
        waiting = self._waits and start is not None and plan is start.plan and start.steps is not None
        return "" if plan is None or waiting else plan.name

    # -- for the thread that steps -------------------------------------------------------------------------------

    def switch(self, step: int) -> int | None:
        """The step after this one at which another plan takes over; None for no such step."""
        start = self._start
        return start.steps if self._waits and start is not None and start.steps is not None and step < start.steps else None

    def make_now(self) -> None:
        """Lets no step wait for the plan."""
        self._waits = False

    def plan_at(self, step: int, state: Callable[[], State]) -> Plan:
        """The plan for the steps from this one to the next `switch`.

        Args:
            state: gives the present one.

        Raises:
            LawError: the law cannot step this state.
        """
        if self._ready is not None:
            self._take_over(self._ready)
        if self._waits and self._is_eager(step, state):
            assert self._start is not None
            self._in_use = self._start.plan
        else:
            # Products in the old precision are built into graphs and kernels.
            if self._plan is None or self._precision != self._optimizer.precision or self._plan.stale():
                self._plan, self._precision = None, self._optimizer.precision
                self._plan = self._chosen("eager" if self._background else self._wanted, state())
                if self._background and not self._making:
                    self._make_in_background(state(), self._plan)
            self._in_use = self._plan
        return self._in_use

    def _is_eager(self, step: int, state: Callable[[], State]) -> bool:
        """Whether the eager start lasts beyond this step."""
        if self._start is None:
            with self._trying():
                self._start = eager_start(self._law, state(), precision=self._optimizer.precision, own=self._own)
            cells = state()[0]
            self._cells = len(cells) * math.prod(cells.shape[2:])
            if (steps := self._start.steps) is None:
                log.info("plan eager: %s", self._start.plan.reason)
            elif steps:
                log.info("plan eager until step %d (%d cell updates), then %s", steps, steps * self._cells, self._start.then)
        return self._start.steps is None or step < self._start.steps

    @contextmanager
    def _trying(self) -> Iterator[None]:
        with torch.inference_mode(), self._optimizer.numerics(), memory_named(self._law.name):
            yield

    def _chosen(self, wanted: PlanName, state: State) -> Plan:
        self._making = wanted != "eager"
        log.info("making a plan (%s)", wanted)
        try:
            with self._trying():
                return self._choose(wanted, state, self._own)
        finally:
            self._making = False

    def _choose(self, wanted: PlanName, state: State, own: OwnState | None) -> Plan:
        precision, planned = self._optimizer.precision, self._planned_steps
        return choose_plan(self._law, state, wanted=wanted, precision=precision, planned_steps=planned, own=own)

    def _make_in_background(self, state: State, meanwhile: Plan) -> None:
        copy = tuple(tensor.clone() for tensor in state)
        meanwhile.reason = "until the plan made in the background is ready"
        self._making = True

        def work() -> None:
            try:
                with torch.inference_mode(), self._optimizer.numerics():
                    self._ready = self._choose(self._wanted, copy, None)
            except Exception as error:  # noqa: BLE001 - reported by the stepping thread
                self._ready = error

        # No daemon: those are torn down at exit wherever they are, and torch's code does not survive that.
        threading.Thread(target=work, name="plan", daemon=False).start()

    def _take_over(self, ready: Plan | Exception) -> None:
        """Goes on by the plan that the background made."""
        self._ready, self._making = None, False
        if isinstance(ready, Exception):
            self._wanted = "eager"
            assert self._plan is not None
            self._plan.reason = str(ready)
            warnings.warn(
                f"{self._law.name} goes on by plan eager: same result, slower. Reason: {ready}", RuntimeWarning, stacklevel=2
            )
            return
        self._plan = ready
        log.info("plan %s takes over", ready.name)
