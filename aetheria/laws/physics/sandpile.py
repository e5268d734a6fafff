"""Sandpile: the abelian sandpile model of Bak, Tang and Wiesenfeld."""

import torch
from torch import Tensor

from aetheria.core.errors import StateError
from aetheria.core.sums import Sums
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, check_whole
from aetheria.laws.first_cells import by_parts
from aetheria.laws.law_field import LawField
from aetheria.laws.neighbourhoods import neighbour_sum
from aetheria.laws.registry import register
from aetheria.laws.topology import check_joined

_PATIENCE = 1_000_000  # rounds of `settle`


def _grains(_: Law, cells: Tensor) -> Tensor:
    return cells[:, 0]


def _unstable(_: Law, cells: Tensor, sums: Sums) -> Tensor:
    return sums.total((cells[:, 0] >= 2 * (cells.ndim - 2)).to(torch.int32))


@register
class Sandpile(Law):
    """Every cell with as many grains as neighbours, or more, gives one to each of them, all at once.

    Cells: one channel of grains 0, 1, 2 ..; a cell topples at 2 n grains on a grid of n axes (4 in two dimensions).
    Grains that leave over an open edge are lost. Source: P. Bak, C. Tang, K. Wiesenfeld, Phys. Rev. Lett. 59 (1987) 381;
    D. Dhar, Phys. Rev. Lett. 64 (1990) 1613 (the abelian group, its identity).
    """

    channels = 1
    ranks = RANKS
    radius = 1
    value_range = (0.0, None)
    exact = True
    default_field = "grains"
    fields = ("grains", "channel", "mass", "unstable", "energy", *PLOTTED)
    own_fields = (
        LawField("grains", "grains at the cell", "grains", (0, None), _grains),
        LawField(
            "unstable", "number of cells that topple in the next step", "cells", (0, None), _unstable, scalar=True, summed=True
        ),
    )

    def __init__(self, grains: int = 10_000, *, boundary: str = "zero") -> None:
        """
        Args:
            grains: in the one cell of `initial = "seed"`, up to 2^24.
            boundary: "zero" (open edges: grains that leave are lost), "periodic", or edges joined with a twist or shift; see
                `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.grains = check_whole("[law.sandpile]", 1, 1 << 24, grains=grains)
        self.boundary = check_joined(boundary, "sandpile")

    def forward(self, cells: Tensor) -> Tensor:
        grains = cells.to(torch.int32)
        most = 2 * (cells.ndim - 2)
        return self._toppled(grains, (grains >= most).to(torch.int32)).to(cells.dtype)

    def _toppled(self, grains: Tensor, times: Tensor) -> Tensor:
        """The grains after each cell has toppled some times."""
        return grains - 2 * (grains.ndim - 2) * times + neighbour_sum(times, "von_neumann", 1, self.boundary)

    def settle(self, cells: Tensor) -> Tensor:
        """The stable cells at which cells `(B, 1, *grid)` come to rest, whatever the order of toppling.

        Raises:
            StateError: no rest in sight: without open edges there may be too many grains.
        """
        grains = cells.to(torch.int64)
        most = 2 * (cells.ndim - 2)
        for round_ in range(_PATIENCE):
            if round_ % 8 == 0 and not bool((grains >= most).any()):
                return grains.to(cells.dtype)
            grains = self._toppled(grains, grains.clamp_min(0) // most)
        raise StateError(f'sandpile: not at rest after {_PATIENCE:,} rounds; open edges are wanted, boundary = "zero"')

    def identity(self, grid: tuple[int, ...]) -> Tensor:
        """The identity `(1, 1, *grid)` of the sandpile group: added to a recurrent pile that settles, it changes nothing."""
        full = torch.full((1, 1, *grid), 2 * len(grid) - 1.0)
        return self.settle(2 * full - self.settle(2 * full))

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Grains drawn evenly from 0 to one below twice the number at which a cell topples."""
        return torch.randint(4 * len(grid), (1, *grid), generator=generator).float()

    def seed_cell(self) -> Tensor:
        """A pile of `grains`."""
        return torch.tensor([float(self.grains)])

    def other_values(self, cells: Tensor) -> Tensor:
        """Enough grains more to topple."""
        return cells + 2 * (cells.ndim - 2)
