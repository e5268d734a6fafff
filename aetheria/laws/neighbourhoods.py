"""Neighbourhoods: which cells around a cell count, on grids of any rank, and sums over them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal, Self, get_args

import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES, RANKS, check_choice, check_whole
from aetheria.laws.forms import CircleRule, Ranges
from aetheria.laws.layers import pad, window
from aetheria.laws.topology import check_topology

Offset = tuple[int, ...]
Neighbourhood = Literal["moore", "von_neumann", "circular", "cross"]
_FROM = ((1, 0), (0, -1), (-1, 0), (0, 1))  # where those come from that walk north, east, south, west
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


def arrivals(leaving: Sequence[Tensor], boundary: str) -> list[Tensor]:
    """Those that arrive walking north, east, south and west, of those that leave their cells so; each `(B, C, H, W)`.

    On a sphere, whose top is joined to its left and bottom to its right side, those that cross an edge turn by a right angle.
    """
    places = zip(leaving, _FROM, strict=True)
    arriving = [next(shifted(those, [place], boundary)) for those, place in places]
    if boundary == "sphere":
        north, east, south, west = (those.clone() for those in arriving)
        north[..., -1, :], south[..., 0, :] = leaving[1][..., -1], leaving[3][..., 0]
        east[..., 0], west[..., -1] = leaving[0][..., 0, :], leaving[2][..., -1, :]
        arriving = [north, east, south, west]
    return arriving


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
    boundary: str
    numbers: tuple[int, ...]

    @classmethod
    def checked(cls, law: str, neighbourhood: Neighbourhood, radius: int, boundary: str) -> Self:
        """These settings of a law; raises ConfigError when one is none, or the radius is not from 1 to 20."""
        check_choice(neighbourhood, NEIGHBOURHOODS, f"[law.{law}] neighbourhood")
        check_whole(f"[law.{law}]", 1, MOST_RADIUS, radius=radius)
        numbers = tuple(len(offsets(neighbourhood, radius, rank)) for rank in RANKS)
        return cls(neighbourhood, radius, check_topology(boundary, law), numbers)

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

    def circle_rule(self, states: int, *, follows: bool, moves: tuple[Ranges, Ranges, Ranges]) -> CircleRule | None:
        """A rule over these neighbours; see `CircleRule`. None where edges are joined with a twist or a shift."""
        if self.boundary not in BOUNDARIES:
            return None
        key = (self.neighbourhood, self.radius)
        return CircleRule(key, partial(offsets, self.neighbourhood, self.radius), states, follows, moves, self.boundary)

    def check_threshold(self, law: str, threshold: int) -> int:
        """Returns `threshold`; raises ConfigError when no cell of any grid can have so many neighbours."""
        return check_whole(f"[law.{law}]", 1, self.number(max(RANKS)), threshold=threshold)

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        """Why these neighbours cannot be found on a grid, for people; empty if they can."""
        least = self.radius + (self.boundary == "reflect")
        if self.boundary in ("periodic", "zero") or min(grid) >= least:
            return ""
        return f'a side of {min(grid)} for boundary "{self.boundary}" and radius {self.radius}; expected {least} or more'

    def why_not_threshold(self, threshold: int, grid: tuple[int, ...]) -> str:
        """Why there are not so many neighbours of a kind on a grid, for people; empty if there can be."""
        most = self.number(len(grid))
        if threshold <= most:
            return self.why_not_grid(grid)
        return f"threshold {threshold} given; a cell has {most} neighbours there, so that 1 to {most} is wanted"


def checkerboard(grid: tuple[int, ...], phase: int, device: torch.device) -> Tensor:
    """`grid` bool: cells whose coordinates add up to an even number for phase 0, to an odd one for phase 1."""
    total = torch.zeros((), dtype=torch.int64, device=device)
    for side in grid:
        total = total[..., None] + torch.arange(side, device=device)
    return total % 2 == phase
