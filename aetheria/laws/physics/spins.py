"""`SpinLaw`: base of the laws on spins, updated on the two colours of a checkerboard by turns, with their observables."""

import torch
from torch import Tensor

from aetheria.core.sums import Sums
from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import RANKS
from aetheria.laws.law_field import LawField
from aetheria.laws.neighbourhoods import neighbour_sum
from aetheria.laws.states import StateLaw
from aetheria.laws.topology import check_joined, is_twisted, turns_colours


def spins(cells: Tensor) -> Tensor:
    """Spins -1 and 1, int32, of cells 0 (down) and 1 (up)."""
    return torch.where(cells > 0.5, 1, -1).to(torch.int32)


def neighbour_spins(cells: Tensor, boundary: str) -> Tensor:
    """Sum of the spins of the 2 n nearest neighbours; beyond an open edge there are none."""
    return neighbour_sum(spins(cells), "von_neumann", 1, boundary)


def _energy(law: "SpinLaw", cells: Tensor, sums: Sums) -> Tensor:
    each = spins(cells) * neighbour_spins(cells, law.boundary)
    return sums.total(each[:, 0]) / -2


def _magnetisation(_: "SpinLaw", cells: Tensor, sums: Sums) -> Tensor:
    return sums.mean(spins(cells)[:, 0])


class SpinLaw(StateLaw):
    """Spins on a grid of any rank: cells 0 (down) and 1 (up). Step t updates the cells with (z + y + x) % 2 == t % 2."""

    ranks = RANKS
    radius = 1
    states = 2
    value_range = (0.0, 1.0)
    palette = ((24, 32, 64), (240, 226, 190))
    phases = 2
    spatial_period = 2
    fields = ("state", "channel", "magnetisation", "spin_energy", "count", "energy", *PLOTTED)
    own_fields = (
        LawField("magnetisation", "mean spin, up 1 and down -1", "1", (-1, 1), _magnetisation, scalar=True, summed=True),
        LawField("spin_energy", "-sum over bonds of s s'", "J", (None, None), _energy, scalar=True, local=False, summed=True),
    )

    def __init__(self, boundary: str, law: str) -> None:
        super().__init__()
        self.boundary = check_joined(boundary, law)
        if boundary == "periodic":
            self.divisor = 2
            self.divisor_reason = "the colours of its checkerboard alternate around the torus"

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        if not is_twisted(self.boundary) or not turns_colours((grid[0], grid[1]), self.boundary):
            return ""
        return (
            f'boundary "{self.boundary}" joins cells of one colour of the checkerboard there; expected sides and a shift with '
            "which the colours alternate across every edge"
        )
