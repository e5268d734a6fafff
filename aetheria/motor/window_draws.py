"""Random numbers for a window of a grid, as the whole grid draws them, of which a slab is in memory at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from aetheria.laws.first_cells import blocks_of, making
from aetheria.split.tiles import Tile

Look = Callable[[Tensor], None]
Places = Sequence[NDArray[np.int64]]
SLAB = 1 << 20  # numbers drawn at once; a multiple of 16, by which torch draws normal numbers


class WindowDraws(TorchFunctionMode):
    """In the block, torch draws the numbers of a window where it is asked for those of a grid.

    Code that draws `(..., *window)` from a generator gets the window's part of what `(..., *grid)` would be, and leaves the
    generator as that would. It is the `Window` of `aetheria.laws.first_cells`.

        with WindowDraws(tile):
            cells = torch.rand(3, *tile.window, generator=generator)
    """

    def __init__(self, tile: Tile) -> None:
        """
        Args:
            tile: whose window is drawn; it may go around the torus.
        """
        super().__init__()
        self.grid = tile.grid
        self.squares: Callable[[], Tensor] | None = None
        self._window, self._places = tile.window, [_places(tile, axis) for axis in range(len(tile.grid))]
        self._look: Look | None = None

    def __enter__(self) -> Self:
        self._token = making.set(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        making.reset(self._token)

    def places(self, axis: int) -> Tensor:
        """The coordinate in the grid of each cell of the window along an axis."""
        return torch.from_numpy(self._places[axis])

    def in_blocks(self, number: int, side: int, generator: torch.Generator) -> Tensor:
        """Uniform numbers `(number, *window)`, the same in all cells of a block of the grid, of `side` cells a side."""
        return window_of_stream(
            lambda count: torch.empty(count).uniform_(generator=generator),  # as `rand`, which this mode would answer
            (number, *self._window),
            [places // side for places in self._places],
            blocks_of(self.grid, side),
        )

    @contextmanager
    def watched(self, look: Look) -> Iterator[None]:
        """In the block `look` is shown all numbers that are drawn for the whole grid, a slab at a time."""
        self._look = look
        try:
            yield
        finally:
            self._look = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func not in (torch.rand, torch.randn, torch.randint):
            return func(*args, **given)
        if func is torch.randint:
            (most, shape) = args

            def draw(numbers: int) -> Tensor:
                return torch.randint(most, (numbers,), **given)
        else:
            shape = args[0] if len(args) == 1 and not isinstance(args[0], int) else args

            def draw(numbers: int) -> Tensor:
                found: Tensor = func(numbers, **given)
                return found

        def shown(numbers: int) -> Tensor:
            drawn = draw(numbers)
            if self._look is not None:
                self._look(drawn)
            return drawn

        return window_of_stream(shown, tuple(shape), self._places, self.grid)


def window_of_stream(draw: Callable[[int], Tensor], shape: tuple[int, ...], axes: Places, grid: tuple[int, ...]) -> Tensor:
    """Numbers `(..., *window)` of those that make up `(..., *grid)`, drawn one after the other.

    Args:
        draw: draws so many numbers.
        shape: of the result.
        axes: the coordinates of the window's cells along each axis.
        grid: its sides.
    """
    rank = len(grid)
    assert shape[len(shape) - rank :] == tuple(map(len, axes))
    before = shape[: len(shape) - rank]
    rows, columns = _Lookup(_row_numbers(prod(before), axes[:-1], grid[:-1])), _Lookup(axes[-1])
    found: Tensor | None = None
    for block, first_row, first_column in _slabs(draw, prod(before) * prod(grid[:-1]), grid[-1]):
        if found is None:
            found = block.new_empty((len(rows.places), len(columns.places)))
        to_rows, from_rows = rows.among(first_row, len(block))
        to_columns, from_columns = columns.among(first_column, block.shape[1])
        found[to_rows[:, None], to_columns] = block[from_rows][:, from_columns]
    assert found is not None
    return found.view(shape)


def _slabs(draw: Callable[[int], Tensor], rows: int, width: int) -> Iterator[tuple[Tensor, int, int]]:
    """A stream of `rows` rows in blocks: whole rows, or parts of one; each with its first row and column."""
    total, done = rows * width, 0
    while done < total:
        left = total - done
        drawn = draw(left if left < SLAB + 16 else SLAB)  # no fewer than 16 at the end: torch draws normal numbers so
        row, column = divmod(done, width)
        done += len(drawn)
        if column:
            rest = drawn[: width - column]
            yield rest[None], row, column
            drawn, row = drawn[len(rest) :], row + 1
        if whole := len(drawn) // width:
            yield drawn[: whole * width].view(whole, width), row, 0
        if len(drawn) % width:
            yield drawn[whole * width :][None], row + whole, 0


def _places(tile: Tile, axis: int) -> NDArray[np.int64]:
    """The grid's coordinate of each cell of the window along an axis."""
    return (np.arange(tile.window[axis], dtype=np.int64) + tile.place.offset[axis]) % tile.grid[axis]


def _row_numbers(copies: int, axes: Sequence[NDArray[np.int64]], grid: Sequence[int]) -> NDArray[np.int64]:
    """The number of each of the window's rows among those of all grids in a stream."""
    numbers = np.arange(copies, dtype=np.int64)
    for places, side in zip(axes, grid, strict=True):
        numbers = (numbers[:, None] * side + places).ravel()
    return numbers


class _Lookup:
    """Which places of a window lie in a range of the grid's."""

    def __init__(self, places: NDArray[np.int64]) -> None:
        self.places = places
        self._order = np.argsort(places, kind="stable")
        self._sorted = places[self._order]

    def among(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Numbers in the window, and in the range."""
        low, high = np.searchsorted(self._sorted, [first, first + count])
        return torch.from_numpy(self._order[low:high]), torch.from_numpy(self._sorted[low:high] - first)
