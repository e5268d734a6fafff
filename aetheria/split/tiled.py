"""The tiled plan: any plan on a window of the grid, whose margins are refilled every few steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from aetheria.laws.exact_sums import SquareSum
from aetheria.split.halo import Halo
from aetheria.stepping.plan import Plan, State


class Tiled(Plan):
    """Steps the window of one process by another plan; after `every` steps the margins hold the neighbours' cells again.

    A step spoils `radius` cells at each edge of the window that lies inside the grid, because the plan takes its own boundary
    there. Margins are `every * radius` cells, and are refilled at absolute multiples of `every`, so that it does not matter
    how steps are cut into calls.
    """

    def __init__(self, inner: Plan, halo: Halo, every: int, square_sum: SquareSum | None = None) -> None:
        """
        Args:
            inner: the plan for the window.
            halo: fills the margins.
            every: steps between two exchanges.
            square_sum: of the law, where it normalises by a sum over the grid.
        """
        self._square_sum = square_sum
        self.name, self.reason = inner.name, inner.reason
        self._inner, self._halo, self._every = inner, halo, every

    def pack(self, state: State) -> State:
        return self._inner.pack(state)

    def unpack(self, held: State) -> State:
        return self._inner.unpack(held)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        end = first + steps
        while first < end:
            if first % self._every == 0:
                held = self.filled(held)
            taken = min(self._every - first % self._every, end - first)
            with self._summing():
                held = self._inner.advance(held, taken, first)
            first += taken
        return held

    @contextmanager
    def _summing(self) -> Iterator[None]:
        """Adds sums over the grid of all processes; outside, in trials of plans, each process is alone."""
        if self._square_sum is None:
            yield
            return
        self._square_sum.over_processes = self._halo.add
        try:
            yield
        finally:
            self._square_sum.over_processes = None

    def filled(self, held: State) -> State:
        """The packed state, its margins filled."""
        if self._halo.tile_of(held[0]) is not None:
            self._halo.fill(held)
            return held
        shown = self._inner.unpack(held)
        self._halo.fill(shown)
        return self._inner.pack(shown)

    def probe(self, held: State) -> Tensor:
        """Of the tile alone: margins hold anything between two exchanges."""
        probe = self._inner.probe(held)
        tile = self._halo.tile_of(probe)
        return probe if tile is None else tile.inner(probe)

    def refresh(self) -> None:
        self._inner.refresh()

    def stale(self) -> bool:
        return self._inner.stale()
