"""The stepper: the state of one law, in the form of the plan that advances it."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from aetheria.core.device import memory_named, return_freed_memory
from aetheria.core.errors import DivergedError
from aetheria.core.sums import Sums
from aetheria.laws.base import Law
from aetheria.laws.own_state import OwnState
from aetheria.motor.cells import BlockUpdate, CellSpec, finite
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.planner import Planner
from aetheria.motor.split_tiles import SplitTiles
from aetheria.motor.state import InitialCells, fresh_state
from aetheria.observe.fields import Ahead, View
from aetheria.observe.law_fields import field_of
from aetheria.observe.render import render
from aetheria.observe.request import Request, view_of
from aetheria.split.grid import SplitGrid
from aetheria.stepping import Plan, PlanName, State
from aetheria.stepping.edges import edge_cells, margin

_LARGE, _SMALLER = 1 << 25, 4  # bytes of a public form whose memory is given back once it is packed to so small a part


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
        sums: adds the values of observables.
        moment: state, step and seed.
        own: the state that the law's modules keep themselves.
        split: of the grid over processes; None for one process.
        tiles: the files of its tiles; None for one process.
    """

    split: SplitGrid | None = None
    tiles: SplitTiles | None = None

    def __init__(
        self,
        law: Law,
        optimizer: GPUOptimizer,
        seed: int,
        *,
        wanted: PlanName,
        planned_steps: int | None,
        background: bool,
        sums: Sums,
    ) -> None:
        """
        Args:
            law: the law to step, on the device and in eval mode.
            optimizer: whose precision and switches hold while it steps.
            seed: of the run.
            wanted: a plan by name, or "auto".
            planned_steps: number of steps that the run will take, if known.
            background: make the plan in another thread (CPU only: CUDA graphs belong to the thread that captures them).
            sums: adds the values of observables.
        """
        self.law, self.sums = law, sums
        self.own = OwnState(law)
        self._optimizer = optimizer
        self._planner = Planner(law, self.own, optimizer, wanted=wanted, planned_steps=planned_steps, background=background)
        self.moment = Moment(0, seed, None)
        optimizer.step_count = lambda: self.step

    @property
    def step(self) -> int:
        """Steps done."""
        return self.moment.step

    @property
    def seed(self) -> int:
        """Seed of the run's initial cells and random numbers."""
        return self.moment.seed

    @property
    def state(self) -> State:
        """Cells and memory of the whole grid, in the public form."""
        return self.own_state

    @state.setter
    def state(self, state: State) -> None:
        self.go_to(state, self.moment.step, self.moment.seed)

    @property
    def own_state(self) -> State:
        """Cells and memory that this process steps, in the public form: all, unless the grid is split."""
        now = self.moment
        if now.shown is not None:
            return now.shown
        assert now.plan is not None
        assert now.held is not None
        with torch.inference_mode():
            shown = now.plan.unpack(now.held)
        self.moment = replace(now, shown=shown)
        return shown

    def begin(self, state: State, step: int) -> None:
        """Sets the state that this process steps, and the number of steps done with which the run begins."""
        self.moment = Moment(step, self.seed, state)

    def set_cells(self, update: BlockUpdate) -> None:
        """Replaces a block of cells; memory and step stay."""
        self.state = (update.over(self.state[0]), *self.state[1:])

    def go_to(self, state: State, step: int, seed: int) -> None:
        """Replaces state, step and seed together."""
        self.moment = Moment(step, seed, state)

    def fresh(self, initial: InitialCells, seed: int) -> State:
        """Initial cells and memory for a restart. Raises what `fresh_state` does."""
        return fresh_state(self.law, initial, self._spec, seed)

    def restart(self, fresh: State, initial: InitialCells, step: int, seed: int) -> None:
        """Goes back to initial cells, which `fresh` has made."""
        self.go_to(fresh, step, seed)

    @property
    def _spec(self) -> CellSpec:
        """Of the cells of the whole grid."""
        cells = self.own_state[0]
        return CellSpec(tuple(cells.shape), cells.device, cells.dtype)

    def restore(self, moment: Moment) -> None:
        """Takes back the newest change, which led from this moment to the present one."""
        self.moment = moment

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
        now = self.moment
        if now.plan is not None and now.held is not None:
            return now.plan.probe(now.held)
        return self.own_state[0]

    def edges(self) -> Tensor:
        """Channel 0 of the cells at the edges `(B, n)`, in any form that is 0 exactly where they are."""
        now = self.moment
        with torch.inference_mode():
            if now.shown is None:
                assert now.plan is not None
                assert now.held is not None
                return now.plan.edges(now.held)
            return edge_cells(now.shown[0][:, 0])

    def margin(self) -> Tensor:
        """Distance `(B,)` of the cells whose channel 0 is not 0 to the nearest edge of the grid; 0 at an edge."""
        now = self.moment
        with torch.inference_mode():
            if now.shown is None:
                assert now.plan is not None
                assert now.held is not None
                return now.plan.margin(now.held)
            return margin(now.shown[0][:, 0])

    @property
    def may_diverge(self) -> bool:
        """Whether the cells could hold NaN or Inf in the form that is held now."""
        held = self.moment.held or self.moment.shown
        assert held is not None
        return held[0].is_floating_point()

    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells, unless their plan holds whole numbers."""
        with torch.inference_mode():
            if self.may_diverge and not finite(self.probe()):
                raise DivergedError(f"{self.law.name}: cells hold NaN or Inf at step {self.step}; frames shown before are good")

    def advance(self, plan: Plan, steps: int) -> None:
        """Takes steps by the plan that `current` gave just now. Steps that an exception interrupts were not taken."""
        marks = self.own.marks() if self.own else None
        public = 0 if self.moment.shown is None else self.moment.shown[0].nbytes
        with torch.inference_mode(), self._optimizer.numerics(), memory_named(self.law.name):
            self._advance(plan, steps)
        held = self.moment.held
        if public >= _LARGE and held is not None and held[0].nbytes <= public // _SMALLER and not held[0].is_cuda:
            return_freed_memory()  # the public form, which is far larger than the packed one
        if marks is not None:
            self.own.note_changes(marks)

    def _advance(self, plan: Plan, steps: int) -> None:
        own, state = self.own.saved(), self.own_state if self.moment.plan is not plan else None
        now = self.moment
        held = now.held if state is None else plan.pack(state)
        assert held is not None
        try:
            self.moment = Moment(now.step + steps, now.seed, None, plan.advance(held, steps, now.step), plan)
        except BaseException:
            newest, taken = plan.reached(held)
            if self.moment is now:
                if taken == 0:
                    self.own.restore(own)
                self.moment = Moment(now.step + taken, now.seed, None, newest, plan)
            raise

    def reverse(self, steps: int) -> None:
        """Takes steps back, one by one; only of a reversible law."""
        for _ in range(steps):
            self.moment = self._before()

    def _before(self) -> Moment:
        number, law = self.step - 1, self.law
        phase: dict[str, Any] = {"phase": number % law.phases} if law.phases > 1 else {}
        with torch.inference_mode():
            found = law.reverse(*self.own_state, **phase)
        return Moment(number, self.seed, found if isinstance(found, tuple) else (found,))

    def change(self) -> Tensor:
        """The change `(B, C, *grid)` that the next step makes; evaluating it changes nothing."""
        cells, *memory = self.own_state
        if self.law.phases > 1:
            return self._stepped() - cells
        with self.own.undisturbed(cells.device):
            return self.law.change(cells, *memory)

    def next_cells(self) -> Tensor:
        """The cells `(B, C, *grid)` that the next step makes; evaluating them changes nothing."""
        return self._stepped()

    def _stepped(self) -> Tensor:
        cells, *memory = self.own_state
        phase: dict[str, Any] = {"phase": self.step % self.law.phases} if self.law.phases > 1 else {}
        with (
            torch.inference_mode(),
            self._optimizer.numerics(),
            self.own.undisturbed(cells.device),
            memory_named(self.law.name),
        ):
            after = self.law(cells, *memory, **phase)
        return after if isinstance(after, Tensor) else after[0]

    def ahead(self, measure: Ahead) -> Tensor:
        """A measure that looks ahead from the present state; evaluating it changes nothing."""
        with self.own.undisturbed(self.own_state[0].device):
            return measure(self.law, self.own_state, self.step)

    def rendered(self, request: Request) -> dict[str, Tensor]:
        """The fields of a request, by name, on the device; they may share memory with the cells."""
        return render(self.view(), request)

    def own_field(self, name: str) -> Tensor:
        """A field over the cells that this process owns."""
        return field_of(self.law, name, len(self._spec.grid))(self.view())

    def view(self) -> View:
        """The view of the whole grid, from which fields are computed."""
        return view_of(self.law, self.state, self.change, self.ahead, self.sums)

    def current(self) -> Plan:
        """The plan for the steps up to `switch`.

        Raises:
            LawError: the law cannot step these cells.
        """
        plan = self._planner.plan_at(self.step, lambda: self.own_state)
        if plan is not self.moment.plan:
            self.moment = Moment(self.step, self.seed, self.own_state)  # in the public form alone, which the next plan can read
        return plan

    def warm_up(self) -> Plan:
        """Makes the plan now instead of after a number of eager steps, and returns it. Raises what `current` does."""
        self._planner.make_now()
        return self.current()
