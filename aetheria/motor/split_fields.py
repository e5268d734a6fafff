"""Fields of a split grid: each process computes those of its tile, cut and reduced there; rank 0 joins them.

Observables are added by exact sums, so that neither the order nor the split matters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.sums import ExactSums, Window
from aetheria.laws.base import Law
from aetheria.observe.downsample import downsample, sample
from aetheria.observe.fields import Field, View, weight_of
from aetheria.observe.law_fields import field_of
from aetheria.observe.render import render
from aetheria.observe.request import AXIS_NAMES, Request, view_of
from aetheria.split.grid import SplitGrid
from aetheria.split.tiles import Part, Tile
from aetheria.stepping import State


def computed_by_parts(law: Law, field: Field) -> bool:
    """Whether tiles compute a spatial field by themselves: the reach of a law's own fields is not known."""
    return field.local or field.name not in {own.name for own in law.own_fields}


@dataclass(frozen=True)
class _Shown:
    """The block of the grid of which a field is shown, and how.

    Attributes:
        corner, size: of the block; of one cell along an axis that is cut at an index.
        areas: sides of the areas that become pixels in each process; ones for none.
        nearest: the cell in the middle of each area, not the mean.
        universe: the one that is shown; None for all.
        reduced: the first axis along which the mean or maximum is taken, and which; None for none.
    """

    corner: tuple[int, ...]
    size: tuple[int, ...]
    areas: tuple[int, ...]
    nearest: bool
    universe: int | None
    reduced: tuple[int, str] | None

    def parts(self, tile: Tile) -> tuple[Part, Part] | None:
        """The part of a tile that is shown, and its place in the block, in cells; None for no part."""
        first = tuple(map(max, tile.start, self.corner))
        last = tuple(min(stop, at + n) for stop, at, n in zip(tile.stop, self.corner, self.size, strict=True))
        if not all(a < b for a, b in zip(first, last, strict=True)):
            return None
        ends = list(zip(first, last, strict=True))
        return tuple(
            tuple(slice(a - origin, b - origin) for (a, b), origin in zip(ends, origins, strict=True))
            for origins in (tile.start, self.corner)
        )  # type: ignore[return-value]

    def in_areas(self, part: Part) -> Part:
        """A part of the block in areas instead of cells."""
        return tuple(slice(one.start // n, one.stop // n) for one, n in zip(part, self.areas, strict=True))


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
        split.processes.on("sum", self._sum)
        split.processes.on("weight", self._weight)

    def rendered(self, request: Request, whole: Callable[[], View]) -> dict[str, Tensor]:
        """The fields of a request, as `render` gives them; on the leader.

        Args:
            whole: gives the view of the whole grid, gathered: for observables that are not added, and fields of unknown reach.
        """
        found: dict[str, Tensor] = {}
        gathered: View | None = None
        for field in request.fields:
            alone = replace(request, fields=(field,))
            if field.summed or field.of_weight is not None:
                shown = render(self._as_view(self._split.tile.grid), replace(alone, fields=(self._observed(field),)))
            elif not field.scalar and computed_by_parts(self._law, field):
                shown = self._joined(field, alone)
            else:
                gathered = gathered or whole()
                shown = render(gathered, alone)
            if "finite" in found:
                shown["finite"] = shown["finite"] & found["finite"]
            found |= shown
        return found

    def _observed(self, field: Field) -> Field:
        """An observable that tiles add, or that is taken of the weight of all cells: with its values."""
        if field.of_weight is None:
            return _given(field, self._split.processes.command("sum", field.name))
        return _given(field, field.of_weight(self._split.processes.command("weight")))

    def _joined(self, field: Field, request: Request) -> dict[str, Tensor]:
        """One spatial field of a request, from the parts of all processes."""
        shown = self._shown(field, request)
        values: Tensor = self._split.processes.command("field", field.name, *_as_json(shown))
        sides = [side // area for side, area in zip(shown.size, shown.areas, strict=True)]
        rest = replace(request, universe=None, region=None)
        if prod(shown.areas) > 1:
            rest = replace(rest, size=None)
        if shown.reduced is not None:
            values = _layer(values, shown)
            values = _mean(values, shown, field.cyclic) if shown.reduced[1] == "mean" else values
        names = AXIS_NAMES[-len(sides) :]
        done = None if shown.reduced is None else names[shown.reduced[0]]
        later = {axis: cut for axis, cut in request.slice.items() if not isinstance(cut, int) and axis != done}
        sides = [side for side, axis in zip(sides, names, strict=True) if axis not in request.slice or axis in later]
        values = values.reshape(*values.shape[: values.ndim - len(names)], *sides)
        return render(self._as_view(tuple(sides)), replace(rest, slice=later, fields=(_given(field, values),)))

    def _shown(self, field: Field, request: Request) -> _Shown:
        """What each process is to give of a field; areas that would lie in two tiles are left to the leader."""
        grid, nearest = self._split.tile.grid, field.categorical or request.reduction == "nearest"
        corner, size, wanted = [0] * len(grid), list(grid), list(grid)
        reduced: tuple[int, str] | None = None
        region = None if request.region is None else iter(zip(request.region.corner, request.region.size, strict=True))
        pixels = None if request.size is None else iter(request.size)
        for axis, name in enumerate(AXIS_NAMES[-len(grid) :]):
            cut = request.slice.get(name)
            if isinstance(cut, int):
                corner[axis], size[axis], wanted[axis] = cut, 1, 1
                continue
            if cut is not None:
                reduced = reduced or (axis, cut)
                continue
            if region is not None:
                corner[axis], size[axis] = next(region)
            wanted[axis] = size[axis] if pixels is None else min(next(pixels), size[axis])
        block = Block(tuple(corner), tuple(size))
        areas = None if reduced else _areas(block, tuple(wanted), self._split)
        return _Shown(block.corner, block.size, areas or (1,) * len(grid), nearest, request.universe, reduced)

    def _as_view(self, sides: tuple[int, ...]) -> View:
        """A view of as many cells, whose fields are given: it tells their number of axes."""
        batch, channels = self._own_state()[0].shape[:2]
        return View(torch.zeros(()).expand(batch, channels, *sides), self._law.d_state, self._law.boundary, self._law.alive)

    # -- in every process ------------------------------------------------------------------------------------------

    def part(self, name: str) -> Tensor:
        """A spatial field of this process's tile."""
        field, tile = field_of(self._law, name, len(self._split.tile.grid)), self._split.tile
        state = self._own_state()
        if field.local:
            return field(view_of(self._law, (tile.inner(state[0]), *state[1:])))
        self._split.halo.fill(state)
        return tile.inner(field(view_of(self._law, state, self._own_change)))

    def _field(self, name: str, *given: Any) -> Tensor | None:
        corner, size, areas, nearest, universe, reduced = given
        shown = _Shown(tuple(corner), tuple(size), tuple(areas), nearest, universe, reduced and tuple(reduced))
        halo, mesh = self._split.halo, self._split.processes.mesh
        parts = [shown.parts(halo.tiling.tile(coordinate)) for coordinate in mesh.coordinates]
        with torch.inference_mode():
            values = self.part(name)
            if shown.universe is not None:
                values = values[shown.universe : shown.universe + 1]
            own = parts[mesh.ranks.index(mesh.rank)]
            if own is not None:
                index: Any = (..., *own[0])
                values = values[index]
                cyclic = field_of(self._law, name, len(shown.size)).cyclic
                if prod(shown.areas) > 1:
                    sides = tuple(one.stop - one.start for one in shown.in_areas(own[1]))
                    values = sample(values, sides) if shown.nearest else downsample(values, sides, cyclic)
                if shown.reduced is not None:
                    angles = cyclic and shown.reduced[1] == "mean"
                    values = _layer(torch.stack((values.sin(), values.cos()), 1) if angles else values, shown)
            places = [None if part is None else shown.in_areas(part[1]) for part in parts]
            sides = tuple(n // area for n, area in zip(shown.size, shown.areas, strict=True))
            if shown.reduced is not None:  # a layer for each tile along the axis
                axis = shown.reduced[0]
                sides = (*sides[:axis], halo.tiling.split[axis], *sides[axis + 1 :])
                places = [
                    place and (*place[:axis], slice(at[axis], at[axis] + 1), *place[axis + 1 :])
                    for place, at in zip(places, mesh.coordinates, strict=True)
                ]
            return halo.assemble(values, places, sides)

    def _sum(self, name: str) -> Tensor:
        halo, tile, state = self._split.halo, self._split.tile, self._own_state()
        with torch.inference_mode():
            field = field_of(self._law, name, len(tile.grid))
            if not field.local:
                halo.fill(state)
            sums = ExactSums(Window(tile.start, tile.grid, tile.inner, halo.add, halo.most))
            return field(view_of(self._law, state, self._own_change, sums=sums))

    def _weight(self) -> Tensor | None:
        halo, tile = self._split.halo, self._split.tile
        with torch.inference_mode():
            weight = weight_of(view_of(self._law, (tile.inner(self._own_state()[0]),)))
            return halo.join(weight, (1,) * len(tile.grid))


def _as_json(shown: _Shown) -> list[Any]:
    reduced = shown.reduced and list(shown.reduced)
    return [list(shown.corner), list(shown.size), list(shown.areas), shown.nearest, shown.universe, reduced]


def _layer(values: Tensor, shown: _Shown) -> Tensor:
    """The maximum or the sum along the axis that is reduced, of `(B, ..., *size)`: one layer; sums in float64."""
    assert shown.reduced is not None
    axis, kind = shown.reduced
    dim = axis - len(shown.size)
    return values.amax(dim, keepdim=True) if kind == "max" else values.sum(dim, keepdim=True, dtype=torch.float64)


def _mean(sums: Tensor, shown: _Shown, cyclic: bool) -> Tensor:
    """The mean along the axis, float32, of sums of all tiles; of angles from those of sine and cosine `(B, 2, ..., *size)`."""
    assert shown.reduced is not None
    values = sums / shown.size[shown.reduced[0]]
    return (torch.atan2(values[:, 0], values[:, 1]) if cyclic else values).to(torch.float32)


def _areas(block: Block, wanted: tuple[int, ...], split: SplitGrid) -> tuple[int, ...] | None:
    """Sides of equal areas of a block that become pixels, none of which lies in two tiles; None where there are none."""
    if any(side % pixels for side, pixels in zip(block.size, wanted, strict=True)):
        return None
    areas = tuple(side // pixels for side, pixels in zip(block.size, wanted, strict=True))
    for coordinate in split.processes.mesh.coordinates:
        tile = split.halo.tiling.tile(coordinate)
        for start, corner, side, area in zip(tile.start, block.corner, block.size, areas, strict=True):
            if corner < start < corner + side and (start - corner) % area:
                return None
    return areas


def _given(field: Field, values: Tensor) -> Field:
    """A field whose values were computed already."""
    return replace(field, compute=partial(_values, values), local=False)


def _values(values: Tensor, *_: Any) -> Tensor:
    return values
