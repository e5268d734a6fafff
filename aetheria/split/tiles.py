"""Tiles of a grid, one a process, with margins of cells that belong to the neighbours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from aetheria.core.device import AXES, times
from aetheria.core.errors import ConfigError
from aetheria.laws.hash_noise import Place

Part = tuple[slice, ...]  # of a grid, along each axis


@dataclass(frozen=True)
class Tile:
    """The part of a grid that one process owns, and the window around it that the process steps.

    Attributes:
        start, stop: first cell of the tile and the one after its last, along each axis of the grid.
        before, after: cells of margin along each axis; 0 at a wall, and along an axis that is not split.
        grid: sides of the whole grid.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    grid: tuple[int, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Sides of the tile."""
        return tuple(stop - start for start, stop in zip(self.start, self.stop, strict=True))

    @property
    def window(self) -> tuple[int, ...]:
        """Sides of the window: the tile with its margins."""
        return tuple(map(sum, zip(self.before, self.size, self.after, strict=True)))

    @property
    def place(self) -> Place:
        """The place of the window in the grid."""
        return Place(tuple(start - before for start, before in zip(self.start, self.before, strict=True)), self.grid)

    def scaled(self, units: Sequence[int]) -> "Tile":
        """The same tile for tensors whose numbers stand for `units` cells along each axis, as words of bits do."""
        grid, start, stop, before, after = (
            tuple(-(-n // unit) for n, unit in zip(sides, units, strict=True))
            for sides in (self.grid, self.start, self.stop, self.before, self.after)
        )
        return Tile(start, stop, before, after, grid)

    def inner(self, window: Tensor) -> Tensor:
        """The tile of a tensor over the window `(..., *window)`; a view."""
        index: Any = (..., *(slice(m, m + n) for m, n in zip(self.before, self.size, strict=True)))
        return window[index]

    @property
    def owned(self) -> Part:
        """The cells of the tile, in the grid."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def part(self, grid: Tensor) -> Tensor:
        """The tile of a tensor over the whole grid `(..., *grid)`; a view."""
        index: Any = (..., *self.owned)
        return grid[index]

    def cut(self, grid: Tensor) -> Tensor:
        """The window of a tensor over the whole grid `(..., *grid)`, around a torus; a copy."""
        offset = self.place.offset
        for axis, (first, side, whole) in enumerate(zip(offset, self.window, self.grid, strict=True)):
            if side != whole or first:
                cells = torch.arange(first, first + side, device=grid.device) % whole
                grid = grid.index_select(axis - len(offset), cells)
        return grid.clone()

    def overlaps(self, corner: Sequence[int], size: Sequence[int]) -> Iterator[tuple[Part, Part]]:
        """Which parts of a block of the grid go to which parts of the window."""
        axes = zip(corner, size, self.place.offset, self.window, self.grid, strict=True)
        for pairs in product(*(list(_overlaps(*axis)) for axis in axes)):
            yield tuple(source for source, _ in pairs), tuple(target for _, target in pairs)


def _overlaps(corner: int, size: int, first: int, side: int, whole: int) -> Iterator[tuple[slice, slice]]:
    """Along one axis: the cells of a block that lie in a window, which may go around the torus more than once."""
    turn = (first - corner) // whole * whole  # the copy of the block that begins before the window, or with it
    while corner + turn < first + side:
        begin, end = max(corner + turn, first), min(corner + turn + size, first + side)
        if begin < end:
            yield slice(begin - corner - turn, end - corner - turn), slice(begin - first, end - first)
        turn += whole


@dataclass(frozen=True)
class Tiling:
    """A grid cut into tiles.

    Attributes:
        grid: its sides.
        split: number of tiles along each axis.
        align: tiles begin, and margins are, at multiples of this along each axis.
        margin: cells of margin along each axis that is split.
        periodic: the grid is a torus, so that the outer tiles are neighbours, too.
    """

    grid: tuple[int, ...]
    split: tuple[int, ...]
    align: tuple[int, ...]
    margin: tuple[int, ...]
    periodic: bool

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a tile would be empty, or narrower than its margin.
        """
        for axis, name in enumerate(AXES[-len(self.grid) :]):
            tiles, margin = self.split[axis], self.margin[axis]
            if tiles == 1:
                continue
            narrowest = min(self._edge(axis, n + 1) - self._edge(axis, n) for n in range(tiles))
            if narrowest < max(1, margin):
                unit = f" (edges at multiples of {self.align[axis]})" if self.align[axis] > 1 else ""
                raise ConfigError(
                    f"split: {times(self.split)} processes over {times(self.grid)} cells; along {name} a tile would have "
                    f"{narrowest} cells{unit}, fewer than its margin of {margin}; use fewer processes along {name}, a larger "
                    "grid, or fewer steps between two exchanges (halo_steps)"
                )

    def _edge(self, axis: int, number: int) -> int:
        """The first cell of tile `number` along an axis."""
        unit = self.align[axis]
        units = -(-self.grid[axis] // unit)
        return min(self.grid[axis], units * number // self.split[axis] * unit)

    def tile(self, coordinate: Sequence[int]) -> Tile:
        """The tile at these coordinates of the mesh."""
        axes = range(len(self.grid))
        last = [n - 1 for n in self.split]
        return Tile(
            tuple(self._edge(axis, coordinate[axis]) for axis in axes),
            tuple(self._edge(axis, coordinate[axis] + 1) for axis in axes),
            tuple(self._margin(axis, outer=coordinate[axis] == 0) for axis in axes),
            tuple(self._margin(axis, outer=coordinate[axis] == last[axis]) for axis in axes),
            self.grid,
        )

    def _margin(self, axis: int, *, outer: bool) -> int:
        return 0 if self.split[axis] == 1 or (outer and not self.periodic) else self.margin[axis]
