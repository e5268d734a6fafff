"""Multiple neighbourhoods: two states, and rules on the filling of several neighbourhoods."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.checks import Boundary, check_boundary
from aetheria.laws.neighbourhoods import Offset, shifted
from aetheria.laws.registry import register
from aetheria.laws.states import StateLaw

_RINGS = ((4.0, 6.5), (1.0, 2.3))
_RULES = ((0, 0.21, 0.22, 1), (0, 0.35, 0.5, 0), (0, 0.75, 0.85, 0), (1, 0.1, 0.28, 0), (1, 0.43, 0.55, 1), (0, 0.12, 0.15, 0))
_MOST = 100  # cells to either side of the middle, neighbourhoods, rules


@register
class MultipleNeighbourhoods(StateLaw):
    """Rules (neighbourhood, low, high, state) in their order: where the filling is in low..high, the cell gets the state.

    Cells: 0 or 1. The filling is the share of live cells in the neighbourhood, of the old cells for all rules; of several
    rules that hold the last one counts, and where none holds the cell stays.

    Source: Slackermanz, Multiple Neighbourhoods Cellular Automata, 2021.
    """

    ranks = (2,)

    def __init__(
        self,
        neighbourhoods: list[list[list[int]]] | None = None,
        rules: list[list[float]] | None = None,
        *,
        rings: list[list[float]] | None = None,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            neighbourhoods: lists of cells [y, x] relative to the middle one.
            rules: lists [neighbourhood, low, high, state], the neighbourhood by its number from 0 on.
            rings: neighbourhoods as rings [inner, outer]: the cells at distances from inner to outer; in place of lists.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: no cells, a rule of another form, or one that names no neighbourhood.
        """
        super().__init__()
        self.set_states(2)
        where = self._where()
        if neighbourhoods is not None and rings is not None:
            raise ConfigError(f"{where} rings: given beside neighbourhoods; expected one of the two")
        self.rings = None if neighbourhoods is not None else [list(map(float, ring)) for ring in rings or _RINGS]
        if self.rings is None:
            assert neighbourhoods is not None
            self.places = [_checked_places(cells, where) for cells in neighbourhoods]
        else:
            self.places = [_ring(ring, where) for ring in self.rings]
        if not 1 <= len(self.places) <= _MOST:
            raise ConfigError(f"{where} neighbourhoods: {len(self.places)} given; expected 1 to {_MOST}")
        self.rules = [list(map(float, rule)) for rule in (_RULES if rules is None else rules)]
        self._ranges = [_range(rule, self.places, f"{where} rules {number}") for number, rule in enumerate(self.rules)]
        self.radius = max(max(map(abs, place)) for places in self.places for place in places)
        self.boundary: Boundary = check_boundary(boundary, "multipleneighbourhoods")

    def forward(self, cells: Tensor) -> Tensor:
        state = cells.to(torch.int32)
        counts = [self._count(state, places) for places in self.places]
        for neighbourhood, least, most, new in self._ranges:
            holds = (counts[neighbourhood] >= least) & (counts[neighbourhood] <= most)
            state = torch.where(holds, new, state)
        return state.to(cells.dtype)

    def _count(self, state: Tensor, places: Sequence[Offset]) -> Tensor:
        total = torch.zeros_like(state)
        for neighbour in shifted(state, places, self.boundary):
            total = total + neighbour
        return total


def _checked_places(cells: Sequence[Sequence[int]], where: str) -> list[Offset]:
    if not cells:
        raise ConfigError(f"{where} neighbourhoods: one without cells given; expected one cell [y, x] or more")
    for cell in cells:
        if len(cell) != 2 or not all(isinstance(n, int) and abs(n) <= _MOST for n in cell):
            raise ConfigError(f"{where} neighbourhoods: {cell} given; expected [y, x], whole numbers from -{_MOST} to {_MOST}")
    return [tuple(cell) for cell in cells]


def _ring(ring: Sequence[float], where: str) -> list[Offset]:
    wrong = len(ring) != 2 or not all(map(math.isfinite, ring)) or not 0 <= ring[0] <= ring[1] <= _MOST
    span = range(-int(ring[1]), int(ring[1]) + 1) if not wrong else range(0)
    found: list[Offset] = [(y, x) for y in span for x in span if ring[0] <= math.hypot(y, x) <= ring[1]]
    if not found:
        raise ConfigError(f"{where} rings: {list(ring)} given; expected [inner, outer] with cells between, up to {_MOST}")
    return found


def _range(rule: Sequence[float], places: Sequence[Sequence[Offset]], where: str) -> tuple[int, int, int, int]:
    """(neighbourhood, least count, most count, state); a share is compared as a quotient in float64, as it is written."""
    if len(rule) != 4 or rule[0] not in range(len(places)) or rule[3] not in (0, 1):
        raise ConfigError(
            f"{where}: {list(rule)} given; expected [neighbourhood 0 to {len(places) - 1}, low, high, state 0 or 1]"
        )
    number = len(places[int(rule[0])])
    inside = [count for count in range(number + 1) if rule[1] <= count / number <= rule[2]]
    return int(rule[0]), min(inside, default=1), max(inside, default=0), int(rule[3])
