"""Fields of a split grid: each process computes those of its tile, reduced where areas fit into tiles; rank 0 joins them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.observe.downsample import downsample
from aetheria.observe.fields import Field, View
from aetheria.observe.law_fields import field_of
from aetheria.observe.render import render
from aetheria.observe.request import Request, view_of
from aetheria.split.grid import SplitGrid
from aetheria.split.tiles import Tile
from aetheria.stepping import State

_COUNTED = ("population", "count")  # observables that count cells, so that they can be added in any order


def computed_by_parts(law: Law, field: Field) -> bool:
    """Whether tiles compute a spatial field by themselves: the reach of a law's own fields is not known."""
    return field.local or field.name not in {own.name for own in law.own_fields}


class SplitFields:
    """Renders requests of a split grid on the leader, with parts that all processes compute."""

    def __init__(self, law: Law, split: SplitGrid, own_state: Callable[[], State], own_change: Callable[[], Tensor]) -> None:
        """
        Args:
            law: the law being stepped.
            split: of the grid.
            own_state: gives the state of this process's window.
            own_change: gives the change of this process's window.
        """
        self._law, self._split = law, split
        self._own_state, self._own_change = own_state, own_change
        split.processes.on("field", self._field)
        split.processes.on("count", self._count)

    def rendered(self, request: Request, whole: Callable[[], View]) -> dict[str, Tensor]:
        """The fields of a request, as `render` gives them; on the leader.

        Args:
            whole: gives the view of the whole grid, gathered: for observables that must be added in the order of one process.
        """
        found: dict[str, Tensor] = {}
        gathered: View | None = None
        for field in request.fields:
            alone = replace(request, fields=(field,))
            if self._in_parts(field):
                shown = self._joined(field, request)
            else:
                gathered = gathered or whole()
                shown = render(gathered, alone)
            if "finite" in found:
                shown["finite"] = shown["finite"] & found["finite"]
            found |= shown
        return found

    def _in_parts(self, field: Field) -> bool:
        """Whether tiles can compute a field by themselves."""
        if field.scalar:
            return self._is_counted(field) and field.name not in {own.name for own in self._law.own_fields}
        return computed_by_parts(self._law, field)

    def _is_counted(self, field: Field) -> bool:
        stem = field.name.removesuffix(f"_{field.component}")
        return stem in _COUNTED or (field.name == "mass" and self._law.states is not None)

    def _joined(self, field: Field, request: Request) -> dict[str, Tensor]:
        """One field of a request, from the parts of all processes."""
        alone, grid = replace(request, fields=(field,)), self._split.tile.grid
        if field.scalar:
            values: Tensor = self._split.processes.command("count", field.name)
            return render(self._as_view(grid), replace(alone, fields=(_given(field, values),)))
        size = request.size if self._reduces(field, request) else None
        values = self._split.processes.command("field", field.name, size)
        if size is not None:
            alone = replace(alone, size=None)
        return render(self._as_view(size or grid), replace(alone, fields=(_given(field, values),)))

    def _reduces(self, field: Field, request: Request) -> bool:
        """Whether a request is of means over equal areas, none of which lies in two tiles."""
        plain = not (field.categorical or request.reduction != "mean" or request.slice or request.region)
        return plain and request.size is not None and _areas(request.size, self._split) is not None

    def _as_view(self, sides: tuple[int, ...]) -> View:
        """A view of as many cells, whose fields are given: it tells their number of axes."""
        batch, channels = self._own_state()[0].shape[:2]
        return View(torch.zeros(()).expand(batch, channels, *sides), self._law.d_state, self._law.boundary, self._law.alive)

    # -- in every process ------------------------------------------------------------------------------------------

    def part(self, name: str) -> Tensor:
        """A field or observable of this process's tile."""
        field, tile = field_of(self._law, name, len(self._split.tile.grid)), self._split.tile
        state = self._own_state()
        if field.scalar or field.local:
            return field(view_of(self._law, (tile.inner(state[0]), *state[1:])))
        self._split.halo.fill(state)
        return tile.inner(field(view_of(self._law, state, self._own_change)))

    def _field(self, name: str, size: list[int] | None) -> Tensor | None:
        with torch.inference_mode():
            values = self.part(name)
            areas = None if size is None else _areas(tuple(size), self._split)
            units = areas or (1,) * len(self._split.tile.grid)
            if areas is not None:
                field = field_of(self._law, name, len(areas))
                sides = tuple(n // unit for n, unit in zip(self._split.tile.size, areas, strict=True))
                values = downsample(values, sides, field.cyclic)
            return self._split.halo.join(values, units)

    def _count(self, name: str) -> Tensor:
        with torch.inference_mode():
            counted = self.part(name).round().to(torch.int64)
            self._split.halo.add(counted)
            return counted.double()


def _areas(size: tuple[int, ...], split: SplitGrid) -> tuple[int, ...] | None:
    """Sides of equal areas that fit into every tile; None where some area would be cut."""
    grid, tiling = split.tile.grid, split.halo.tiling
    if any(side % wanted for side, wanted in zip(grid, size, strict=True)):
        return None
    areas = tuple(side // wanted for side, wanted in zip(grid, size, strict=True))
    tiles: list[Tile] = [tiling.tile(coordinate) for coordinate in split.processes.mesh.coordinates]
    fits = all(n % area == 0 for tile in tiles for n, area in zip(tile.start, areas, strict=True))
    return areas if fits and prod(areas) > 1 else None


def _given(field: Field, values: Tensor) -> Field:
    """A field whose values were computed already."""
    return replace(field, compute=partial(_values, values), local=False)


def _values(values: Tensor, *_: Any) -> Tensor:
    return values
