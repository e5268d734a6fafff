"""The stepper of a split grid: each process advances its window, as the leading process commands."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import DivergedError, LawError
from aetheria.core.sums import ExactSums
from aetheria.laws.base import Law
from aetheria.laws.own_state import OwnState
from aetheria.motor.cells import BlockUpdate, CellSpec, checked_cells, finite
from aetheria.motor.initial import Initial
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.planner import Planner
from aetheria.motor.split_fields import SplitFields
from aetheria.motor.split_tiles import SplitTiles
from aetheria.motor.state import InitialCells, fresh_memory, fresh_state, is_described
from aetheria.motor.stepper import Moment, Stepper
from aetheria.motor.values import law_values
from aetheria.observe.fields import Ahead
from aetheria.observe.request import Request
from aetheria.split.grid import SplitGrid
from aetheria.split.tiled import Tiled
from aetheria.stepping import Plan, PlanName, State, choose_plan


class SplitPlanner(Planner):
    """Makes the tiled plan of a window at the first step; all processes take plans of one name."""

    def __init__(self, law: Law, own: OwnState, optimizer: GPUOptimizer, split: SplitGrid, **settings: Any) -> None:
        super().__init__(law, own, optimizer, **{**settings, "background": False})
        self._split = split
        self.make_now()

    def _choose(self, wanted: PlanName, state: State, own: OwnState | None) -> Plan:
        plan = self._choose_here(wanted, state, own)
        if own is not None and own.changed:
            raise LawError(
                f"{self._law.name}: split: it keeps state of its own ({', '.join(sorted(own.changed))}), which "
                "each process would change by itself"
            )
        return Tiled(plan, self._split.halo, self._split.every, self._law.square_sum)

    def _choose_here(self, wanted: PlanName, state: State, own: OwnState | None) -> Plan:
        halo = self._split.halo
        options: dict[str, Any] = {
            "precision": self._optimizer.precision,
            "planned_steps": self._planned_steps,
            "own": own,
            "cells": len(state[0]) * math.prod(halo.tile.grid),
        }
        plan = choose_plan(self._law, state, wanted=wanted, **options)
        number = sum(map(ord, plan.name))
        processes = self._split.processes
        if processes.agree(number) == processes.agree(number, least=True):
            return plan
        warnings.warn(
            f"{self._law.name} steps by plan eager: slower. Reason: the processes could not all make plan {plan.name}",
            RuntimeWarning,
            stacklevel=2,
        )
        return choose_plan(self._law, state, wanted="eager", **options)


class SplitStepper(Stepper):
    """A stepper whose state is this process's window of a grid; on the leader every change is a command to all."""

    def __init__(
        self,
        law: Law,
        optimizer: GPUOptimizer,
        seed: int,
        split: SplitGrid,
        *,
        wanted: PlanName,
        planned_steps: int | None,
    ) -> None:
        """
        Args:
            law, optimizer, seed, wanted, planned_steps: as for `Stepper`.
            split: of the grid.
        """
        super().__init__(law, optimizer, seed, wanted=wanted, planned_steps=planned_steps, background=False, sums=ExactSums())
        self._planner = SplitPlanner(law, self.own, optimizer, split, wanted=wanted, planned_steps=planned_steps)
        self.split = self._grid = split
        self._given: State = ()  # on the leader, of the change that is under way
        self._before_change = self.moment  # the newest change, to be undone
        self._fields = SplitFields(law, split, lambda: self.own_state, super().change)
        self.tiles = SplitTiles(split, lambda: self.own_state, self._take)
        handlers: dict[str, Callable[..., Any]] = {
            "advance": self._advance_all,
            "plan": super().current,
            "gather": self._gather,
            "scatter": self._scatter,
            "finite": self._finite,
            "change": lambda: self._gather_made(super(SplitStepper, self).change),
            "next": lambda: self._gather_made(self._stepped),
            "undo": self._undo,
            "reverse": self._reverse,
            "restart": self._restart,
            "restart with cells": self._restart_with_cells,
            "cells": self._set_cells,
        }
        for name, handler in handlers.items():
            split.processes.on(name, handler)

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state of the whole grid, gathered on the leader."""
        found: State = self._all("gather")
        return found

    @state.setter
    def state(self, state: State) -> None:
        self.go_to(state, self.step, self.seed)

    def _gather(self) -> State:
        own, halo = self.own_state, self._grid.halo
        with torch.inference_mode():
            parts = [halo.gather(tensor) for tensor in own]
        return tuple(tensor for tensor in parts if tensor is not None)

    def go_to(self, state: State, step: int, seed: int) -> None:
        """On the leader: gives every process its window of a state of the whole grid."""
        self._given = state
        self._all("scatter", step, seed)
        self._given = ()

    def _scatter(self, step: int, seed: int) -> None:
        leads, own = self._grid.leads, self.own_state
        parts = []
        with torch.inference_mode():
            for number, like in enumerate(own):
                given = self._given[number] if leads else None
                if self._grid.halo.tile_of(like) is not None:
                    parts.append(self._grid.halo.scatter(given, like))
                else:
                    parts.append(self._same(given, like))
        self._take(tuple(parts), step, seed)

    def _take(self, state: State, step: int, seed: int) -> None:
        """Goes on from a state of this process's window."""
        self._before_change = self.moment
        super().go_to(state, step, seed)

    def _same(self, given: Tensor | None, like: Tensor) -> Tensor:
        """A tensor that is the same in all processes, as the leader has it."""
        tensor = torch.empty_like(like) if given is None else given.to(like).clone()
        self._grid.processes.broadcast(tensor)
        return tensor

    def set_cells(self, update: BlockUpdate) -> None:
        """On the leader: gives every process the cells of the block that lie in its window."""
        self._given = (update.cells,)
        self._all("cells", list(update.block.corner), list(update.block.size), update.universe)
        self._given = ()

    def _set_cells(self, corner: list[int], size: list[int], universe: int | None) -> None:
        cells, *memory = self.own_state
        with torch.inference_mode():
            cells = cells.clone()
            of = cells if universe is None else cells[universe : universe + 1]
            self._grid.halo.place(self._given[0] if self._grid.leads else None, corner, size, of)
        self._take((cells, *memory), self.step, self.seed)

    def fresh(self, initial: InitialCells, seed: int) -> State:
        """As of a whole grid, without its memory; where cells are described those of this process's window, as every process
        makes its own."""
        if is_described(initial):
            return fresh_state(self.law, initial, self._spec, seed, self._grid)
        return (checked_cells(law_values(initial, self.law, "initial"), self._spec),)

    def restart(self, fresh: State, initial: InitialCells, step: int, seed: int) -> None:
        self._given = fresh
        if not is_described(initial):
            self._all("restart with cells", step, seed)
            self._given = ()
            return
        described = initial.model_dump(mode="json") if isinstance(initial, Initial) else initial
        self._all("restart", dict(described) if isinstance(described, Mapping) else described, step, seed)
        self._given = ()

    def _restart(self, initial: Any, step: int, seed: int) -> None:
        self._take(self._given if self._grid.leads else self.fresh(initial, seed), step, seed)

    def _restart_with_cells(self, step: int, seed: int) -> None:
        with torch.inference_mode():
            cells = self._grid.halo.scatter(self._given[0] if self._grid.leads else None, self.own_state[0])
            self._take((cells, *fresh_memory(self.law, cells, seed)), step, seed)

    @property
    def _spec(self) -> CellSpec:
        own = super()._spec
        return replace(own, shape=(*own.shape[:2], *self._grid.tile.grid))

    def restore(self, moment: Moment) -> None:
        if moment is not self.moment and not self._grid.processes.ended:
            self._all("undo")

    def _undo(self) -> None:
        self.moment = self._before_change

    # -- steps -----------------------------------------------------------------------------------------------------

    def current(self) -> Plan:
        plan: Plan = self._all("plan")
        return plan

    def advance(self, plan: Plan, steps: int) -> None:
        self._all("advance", steps)

    def _advance_all(self, steps: int) -> None:
        super().advance(super().current(), steps)

    def check_finite(self) -> None:
        if self.may_diverge and not self._all("finite"):
            raise DivergedError(f"{self.law.name}: cells hold NaN or Inf at step {self.step}; frames shown before are good")

    def _finite(self) -> bool:
        with torch.inference_mode():
            return bool(self._grid.processes.agree(int(finite(self.probe())), least=True))

    def reverse(self, steps: int) -> None:
        self._all("reverse", steps)

    def _reverse(self, steps: int) -> None:
        self._before_change = self.moment
        for _ in range(steps):
            with torch.inference_mode():
                self._grid.halo.fill(self.own_state)
            super().reverse(1)

    def change(self) -> Tensor:
        found: Tensor = self._all("change")
        return found

    def ahead(self, measure: Ahead) -> Tensor:
        raise LawError("period and lyapunov look ahead with the whole grid: expected a grid in one process")

    def next_cells(self) -> Tensor:
        found: Tensor = self._all("next")
        return found

    def rendered(self, request: Request) -> dict[str, Tensor]:
        return self._fields.rendered(request, self.view)

    def own_field(self, name: str) -> Tensor:
        """In every process at the same time: margins are filled."""
        return self._fields.part(name)

    def _gather_made(self, make: Callable[[], Tensor]) -> Tensor | None:
        """What `make` computes from the windows, for the whole grid; their margins are filled for it."""
        halo = self._grid.halo
        with torch.inference_mode():
            halo.fill(self.own_state)
            return halo.gather(make())

    def _all(self, command: str, *values: Any) -> Any:
        return self._grid.processes.command(command, *values)
