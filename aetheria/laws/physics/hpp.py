"""HPP: the lattice gas of Hardy, de Pazzis and Pomeau on the square lattice."""

import torch
from torch import Tensor

from aetheria.laws.forms import BitLookup, PlaneRule
from aetheria.laws.neighbourhoods import shifted
from aetheria.laws.physics.lattice_gas import GasBoundary, LatticeGas
from aetheria.laws.registry import register

_WEST_EAST, _NORTH_SOUTH = 1 | 4, 2 | 8


@register
class HPP(LatticeGas):
    """Particles move along the four directions and turn by a right angle where two meet head on.

    Cells: one channel, bits 1 (travelling west), 2 (north), 4 (east), 8 (south). In a step all particles move one cell;
    then a cell of exactly west and east becomes north and south, and the other way round. Mass and momentum are conserved
    exactly; reversible on the torus.

    Source: J. Hardy, Y. Pomeau, O. de Pazzis, J. Math. Phys. 14 (1973) 1746.
    """

    bits = 4
    directions = ((-1, 0), (0, -1), (1, 0), (0, 1))

    def __init__(self, *, boundary: GasBoundary = "periodic") -> None:
        """
        Args:
            boundary: "periodic" or "zero" (particles leave over the edge).
        """
        super().__init__(boundary, "hpp")
        self.reversible = boundary == "periodic"

    def forward(self, cells: Tensor) -> Tensor:
        return _collided(self._moved(cells.to(torch.uint8), 1)).to(cells.dtype)

    def plane_rule(self) -> PlaneRule:
        inputs = tuple((bit, -y, -x) for bit, (x, y) in reversed(list(enumerate(self.directions))))
        after = _collided(torch.arange(16)).tolist()
        tables = (sum((state >> bit & 1) << before for before, state in enumerate(after)) for bit in range(self.bits))
        return PlaneRule((tuple(BitLookup(inputs, table) for table in tables),), False, self.boundary)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before: collisions are undone, then particles move back."""
        return self._moved(_collided(cells.to(torch.uint8)), -1).to(cells.dtype)

    def _moved(self, state: Tensor, ahead: int) -> Tensor:
        sources = [(-ahead * y, -ahead * x) for x, y in self.directions]
        moved = torch.zeros_like(state)
        for bit, arriving in enumerate(shifted(state, sources, self.boundary)):
            moved = moved | (arriving & (1 << bit))
        return moved


def _collided(state: Tensor) -> Tensor:
    head_on = (state == _WEST_EAST) | (state == _NORTH_SOUTH)
    return torch.where(head_on, state ^ 15, state)
