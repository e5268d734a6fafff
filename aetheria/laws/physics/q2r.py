"""Q2R: the Ising model at constant energy, without chance."""

import torch
from torch import Tensor

from aetheria.laws.first_cells import by_parts
from aetheria.laws.neighbourhoods import checkerboard
from aetheria.laws.physics.spins import SpinLaw, neighbour_spins
from aetheria.laws.registry import register


@register
class Q2R(SpinLaw):
    """A spin turns over where that costs no energy: where its neighbours' spins add up to 0; one checkerboard colour a step.

    Cells: 0 (down) and 1 (up). Reversible; the energy -sum of s s' over bonds never changes.

    Source: G. Y. Vichniac, "Simulating physics with cellular automata", Physica D 10 (1984) 96.
    """

    reversible = True

    def __init__(self, *, boundary: str = "periodic") -> None:
        """
        Args:
            boundary: "periodic" (even sides), "zero" (open edges), or edges joined with a twist or shift across which the
                colours of the checkerboard alternate; see `aetheria.laws.topology`.
        """
        super().__init__(boundary, "q2r")

    def forward(self, cells: Tensor, *, phase: int) -> Tensor:
        flips = (neighbour_spins(cells, self.boundary) == 0) & checkerboard(cells.shape[2:], phase, cells.device)
        return ((cells > 0.5) ^ flips).to(cells.dtype)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before; `phase` is that of the step taken back, which is its own inverse."""
        before: Tensor = self(cells, **phase)
        return before

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Each spin up with chance 0.15."""
        return (torch.rand(1, *grid, generator=generator) < 0.15).float()
