"""First cells of a law by parts: what they need of the whole grid, also where a process makes those of its window alone."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from aetheria.laws.exact_sums import SquareSum, added, total_of

Method = TypeVar("Method", bound=Callable[..., Any])
Sums = Callable[[Tensor], Tensor]


def by_parts(method: Method) -> Method:
    """Marks a method that can make the cells of a window: each of numbers drawn by calls of torch for the whole grid.

    What else it needs of the grid (coordinates, blocks, a least value, a norm) it takes from the functions here. A method that
    replaces it is not marked, unless it says so itself.
    """
    method.by_parts = True  # type: ignore[attr-defined]
    return method


def is_by_parts(method: Callable[..., Any]) -> bool:
    """Whether a method is marked."""
    return getattr(method, "by_parts", False)


class Window(Protocol):
    """The window of a grid whose cells are being made.

    Attributes:
        grid: sides of the whole grid.
        squares: gives the sums of squares `(3, B)` over the whole grid, as `exact_sums.added` does; None while nothing knows.
    """

    grid: tuple[int, ...]
    squares: Callable[[], Tensor] | None

    def places(self, axis: int) -> Tensor:
        """The coordinate in the grid of each cell of the window along an axis."""

    def in_blocks(self, number: int, side: int, generator: torch.Generator) -> Tensor:
        """As the function of this name, for the window."""

    def watched(self, look: Callable[[Tensor], None]) -> AbstractContextManager[None]:
        """In the block `look` is shown all numbers that are drawn for the whole grid, a slab at a time."""


making: ContextVar[Window | None] = ContextVar("making", default=None)  # None: the cells of a whole grid


def sides_of(grid: tuple[int, ...]) -> tuple[int, ...]:
    """Sides of the whole grid, where cells are made for `grid` cells."""
    window = making.get()
    return grid if window is None else window.grid


def places(grid: tuple[int, ...]) -> list[Tensor]:
    """The coordinates of the cells in the whole grid along each axis, each shaped to be combined with the others."""
    window, found = making.get(), []
    for axis, side in enumerate(grid):
        along = torch.arange(side) if window is None else window.places(axis)
        found.append(along.view(-1, *[1] * (len(grid) - 1 - axis)))
    return found


def in_blocks(number: int, side: int, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform numbers `(number, *grid)` that are the same in all cells of a block, of `side` cells a side."""
    window = making.get()
    if window is not None:
        return window.in_blocks(number, side, generator)
    values = torch.rand(number, *blocks_of(grid, side), generator=generator)
    for axis in range(1, 1 + len(grid)):
        values = values.repeat_interleave(side, axis)
    return values[:, *map(slice, grid)]


def blocks_of(grid: Sequence[int], side: int) -> tuple[int, ...]:
    """Number of blocks along each axis; the last may be cut."""
    return tuple(-(-cells // side) for cells in grid)


def with_least(draw: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What `draw` draws for a grid, and the least of the numbers over the whole grid."""
    window = making.get()
    if window is None:
        drawn = draw()
        return drawn, float(drawn.min())
    seen: list[float] = []
    with window.watched(lambda slab: seen.append(float(slab.min()))):
        drawn = draw()
    return drawn, min(seen)


def with_norm(draw: Callable[[], Tensor], cells_of: Callable[[Tensor], Tensor] = lambda drawn: drawn) -> Tensor:
    """Cells `(C, *grid)` made of drawn numbers, one by one; the sum of squares over the whole grid is kept for `norm_sum`.

    Args:
        draw: draws numbers for a grid.
        cells_of: of numbers of any shape the cells, with an axis of channels before them.
    """
    window = making.get()
    if window is None:
        return cells_of(draw())
    sums = torch.zeros(3, 1, dtype=torch.int64)

    def add(slab: Tensor) -> None:
        sums.add_(added(cells_of(slab[None])[None]))

    with window.watched(add):
        drawn = draw()
    window.squares = lambda: sums
    return cells_of(drawn)


def norm_sum(own: SquareSum | None) -> Sums | None:
    """What gives the sums of squares `(B,)` of cells that are being normalised over the grid: the law's own, if it has one.

    Where a window is made alone, those of the whole grid, which are known by then.
    """
    window = making.get()
    if window is None:
        return own
    assert window.squares is not None
    total = total_of(window.squares())
    return lambda cells: total.expand(len(cells))
