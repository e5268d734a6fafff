"""The banded plan on the CPU: a compiled step of a few rows at a time, so that what it makes on the way stays in cache."""

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.plan import Plan, State, Step, memory_format, settled

# Cells of a band: the intermediates of a network of 32 channels are then 2 MiB, about a core's cache.
BAND_CELLS = 1 << 14
_LEAST_RADII = 8  # rows of a band for each row of halo: no more than a quarter is computed twice


class Banded(Plan):
    """Steps a law of finite radius in bands of rows, each read with a halo of `radius` rows and compiled once for all.

    A law's own padding is right at the edges of the grid, and wrong where a band was cut: what that spoils, `radius` rows, is
    dropped.
    """

    name = "banded"

    def __init__(self, law: Law, step: Step, state: State) -> None:
        """
        Args:
            step: one step of `law`, for any number of rows.
        """
        cells = state[0]
        rows, halo = _band(law, cells)
        self._windows = _windows(cells.shape[2], rows, halo, law.boundary == "periodic")
        # Every band is copied here, so that the compiled step always meets the same layout.
        self._window = settled(cells, cells)[:, :, : rows + 2 * halo].clone(memory_format=memory_format(cells))
        self._band = Compiled(step, (self._window,))

    def pack(self, state: State) -> State:
        return self._band.pack(state)

    def advance(self, held: State, steps: int) -> State:
        cells = held[0]
        for _ in range(steps):
            after = torch.empty_like(cells)
            for window, first, last in self._windows:
                _fill(self._window, cells, window)
                stepped = self._band.advance((self._window,), 1)[0]
                after[:, :, first:last] = stepped[:, :, first - window : last - window]
            cells = after
        return (cells,)


def why_not(law: Law, state: State) -> str:
    """Why bands cannot step `law`, for people; empty if they can."""
    if law.radius is None or law.stochastic or len(state) > 1:
        return f"{type(law).__name__} is not local, or has memory or chance"
    if type(law).prepare is not Law.prepare:
        return f"{type(law).__name__} is made for grids of one size"
    height, (rows, _) = state[0].shape[2], _band(law, state[0])
    return "" if height >= 3 * rows else f"{height} rows are hardly more than a band of {rows}"


def _band(law: Law, cells: Tensor) -> tuple[int, int]:
    """Rows of a band and of its halo."""
    assert law.radius is not None
    halo = -(-law.radius // law.divisor) * law.divisor
    rows = max(BAND_CELLS // (cells.shape[0] * cells.shape[3]), _LEAST_RADII * halo, law.divisor)
    return rows // law.divisor * law.divisor, halo


def _windows(height: int, rows: int, halo: int, periodic: bool) -> list[tuple[int, int, int]]:
    """(first row read, first row kept, row after the last kept) of each band; every band reads the same number of rows."""
    found = []
    for first in range(0, height, rows):
        start = first - halo if periodic else min(max(first - halo, 0), height - rows - 2 * halo)
        found.append((start, first, min(first + rows, height)))
    return found


def _fill(window: Tensor, cells: Tensor, first: int) -> None:
    """Copies rows of `cells` from `first` on, around the edge where they reach beyond it."""
    count, height = window.shape[2], cells.shape[2]
    start = first % height
    head = min(count, height - start)
    window[:, :, :head] = cells[:, :, start : start + head]
    if head < count:
        window[:, :, head:] = cells[:, :, : count - head]
