"""Neighbourhoods: which cells around a cell count, on grids of any rank, and sums over them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal, Self, get_args

import torch
from torch import Tensor

from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice, check_whole
from aetheria.laws.forms import CircleRule, Ranges
from aetheria.laws.layers import pad, window

Offset = tuple[int, ...]
Neighbourhood = Literal["moore", "von_neumann", "circular", "cross"]
MOST_RADIUS = 20  # of laws whose neighbours are visited one by one
NEIGHBOURHOODS: tuple[Neighbourhood, ...] = get_args(Neighbourhood)
_INSIDE: dict[str, Callable[[Offset, int], bool]] = {
    "moore": lambda offset, radius: max(map(abs, offset)) <= radius,
    "von_neumann": lambda offset, radius: sum(map(abs, offset)) <= radius,
    "circular": lambda offset, radius: sum(n * n for n in offset) < (radius + 0.5) ** 2,
    "cross": lambda offset, _: sum(map(bool, offset)) <= 1,
}


def offsets(neighbourhood: Neighbourhood, radius: int, rank: int) -> list[Offset]:
    """The places of the neighbours relative to a cell, in reading order, without the cell itself.

    "moore": all within the cube of side 2 radius + 1; "von_neumann": |x| + |y| + .. <= radius; "circular": a distance below
    radius + 1/2; "cross": along the axes.
    """
    every = product(range(-radius, radius + 1), repeat=rank)
    return [offset for offset in every if any(offset) and _INSIDE[neighbourhood](offset, radius)]


def shifted(cells: Tensor, places: Sequence[Offset], boundary: str) -> Iterator[Tensor]:
    """For each place the cells `(B, C, *grid)` that lie there, seen from every cell."""
    reach = max(max(map(abs, place)) for place in places)
    halo, grid = pad(cells, reach, boundary), cells.shape[2:]
    for place in places:
        yield window(halo, [reach + n for n in place], grid)


def neighbour_sum(cells: Tensor, neighbourhood: Neighbourhood, radius: int, boundary: str) -> Tensor:
    """Sum over the neighbours of each cell, without itself, of `(B, C, *grid)`; in the type of `cells`."""
    if neighbourhood == "moore":
        return box_sum(pad(cells, radius, boundary), radius) - cells
    total = torch.zeros_like(cells)
    for neighbour in shifted(cells, offsets(neighbourhood, radius, cells.ndim - 2), boundary):
        total = total + neighbour
    return total


def box_sum(halo: Tensor, radius: int) -> Tensor:
    """Sum over the cube of side 2 radius + 1 around each cell, of cells `(B, C, *grid)` padded by `radius`."""
    for axis in range(2, halo.ndim):
        size = halo.shape[axis] - 2 * radius
        total = halo.narrow(axis, 0, size)
        for start in range(1, 2 * radius + 1):
            total = total + halo.narrow(axis, start, size)
        halo = total
    return halo


@dataclass(frozen=True)
class Surroundings:
    """The neighbours of a cell on a grid of any rank.

    Attributes:
        neighbourhood: which cells count.
        radius: how far they reach.
        boundary: the cells beyond the edge.
        numbers: how many they are on a grid of one, two and three axes.
    """

    neighbourhood: Neighbourhood
    radius: int
    boundary: Boundary
    numbers: tuple[int, ...]

    @classmethod
    def checked(cls, law: str, neighbourhood: Neighbourhood, radius: int, boundary: str) -> Self:
        """These settings of a law; raises ConfigError when one is none, or the radius is not from 1 to 20."""
        check_choice(neighbourhood, NEIGHBOURHOODS, f"[law.{law}] neighbourhood")
        check_whole(f"[law.{law}]", 1, MOST_RADIUS, radius=radius)
        numbers = tuple(len(offsets(neighbourhood, radius, rank)) for rank in RANKS)
        return cls(neighbourhood, radius, check_boundary(boundary, law), numbers)

    def number(self, rank: int) -> int:
        """Number of neighbours on a grid with `rank` axes."""
        return self.numbers[rank - 1]

    def count(self, those: Tensor) -> Tensor:
        """How many neighbours of each cell are marked in `(B, C, *grid)` bool, as uint8 or int32."""
        marks = those.to(self._count_type(those.ndim - 2))
        return neighbour_sum(marks, self.neighbourhood, self.radius, self.boundary)

    def count_equal(self, state: Tensor, wanted: Tensor) -> Tensor:
        """How many neighbours of each cell hold the state that is wanted there; both `(B, C, *grid)`."""
        rank = state.ndim - 2
        total = torch.zeros_like(state, dtype=self._count_type(rank))
        for neighbour in shifted(state, offsets(self.neighbourhood, self.radius, rank), self.boundary):
            total = total + (neighbour == wanted)
        return total

    def _count_type(self, rank: int) -> torch.dtype:
        # The sum over a cube holds the cell itself, too.
        return torch.uint8 if self.number(rank) < 255 else torch.int32

    def from_threshold(self, threshold: int) -> Ranges:
        """The numbers of neighbours from `threshold` on, on a grid of any rank."""
        return ((threshold, self.number(max(RANKS))),)

    def circle_rule(self, states: int, *, follows: bool, moves: tuple[Ranges, Ranges, Ranges]) -> CircleRule:
        """A rule over these neighbours; see `CircleRule`."""
        key = (self.neighbourhood, self.radius)
        return CircleRule(key, partial(offsets, self.neighbourhood, self.radius), states, follows, moves, self.boundary)

    def check_threshold(self, law: str, threshold: int) -> int:
        """Returns `threshold`; raises ConfigError when no cell of any grid can have so many neighbours."""
        return check_whole(f"[law.{law}]", 1, self.number(max(RANKS)), threshold=threshold)

    def why_not_threshold(self, threshold: int, rank: int) -> str:
        """Why no cell of a grid with `rank` axes can have so many neighbours of a kind, for people; empty if it can."""
        most = self.number(rank)
        if threshold <= most:
            return ""
        return f"threshold {threshold} given; a cell has {most} neighbours there, so that 1 to {most} is wanted"


def checkerboard(grid: tuple[int, ...], phase: int, device: torch.device) -> Tensor:
    """`grid` bool: cells whose coordinates add up to an even number for phase 0, to an odd one for phase 1."""
    total = torch.zeros((), dtype=torch.int64, device=device)
    for side in grid:
        total = total[..., None] + torch.arange(side, device=device)
    return total % 2 == phase
