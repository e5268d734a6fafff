"""HPP: the lattice gas of Hardy, de Pazzis and Pomeau on the square lattice."""

import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BitLookup, PlaneRule
from aetheria.laws.neighbourhoods import arrivals
from aetheria.laws.physics.lattice_gas import LatticeGas
from aetheria.laws.registry import register
from aetheria.laws.topology import check_joined

_COMPASS = (1, 2, 3, 0)  # the bits of those that travel north, east, south, west
_WEST_EAST, _NORTH_SOUTH = 1 | 4, 2 | 8


@register
class HPP(LatticeGas):
    """Particles move along the four directions and turn by a right angle where two meet head on.

    Cells: one channel, bits 1 (travelling west), 2 (north), 4 (east), 8 (south). In a step all particles move one cell;
    then a cell of exactly west and east becomes north and south, and the other way round. Mass and momentum are conserved
    exactly on the torus, mass on every closed surface; reversible there.

    Source: J. Hardy, Y. Pomeau, O. de Pazzis, J. Math. Phys. 14 (1973) 1746.
    """

    bits = 4
    directions = ((-1, 0), (0, -1), (1, 0), (0, 1))

    def __init__(self, *, boundary: str = "periodic") -> None:
        """
        Args:
            boundary: "periodic", "zero" (particles leave over the edge), or edges joined with a twist or shift; see
                `aetheria.laws.topology`. What goes up at a twisted edge comes back going up, mirrored in place alone.
        """
        super().__init__(check_joined(boundary, "hpp"))
        self.reversible = boundary != "zero"

    def forward(self, cells: Tensor) -> Tensor:
        return _collided(self._moved(cells.to(torch.uint8))).to(cells.dtype)

    def plane_rule(self) -> PlaneRule | None:
        if self.boundary not in BOUNDARIES:
            return None
        inputs = tuple((bit, -y, -x) for bit, (x, y) in reversed(list(enumerate(self.directions))))
        after = _collided(torch.arange(16)).tolist()
        tables = (sum((state >> bit & 1) << before for before, state in enumerate(after)) for bit in range(self.bits))
        return PlaneRule((tuple(BitLookup(inputs, table) for table in tables),), False, self.boundary)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before: collisions are undone, then particles move back."""
        return _turned(self._moved(_turned(_collided(cells.to(torch.uint8))))).to(cells.dtype)

    def _moved(self, state: Tensor) -> Tensor:
        north, east, south, west = arrivals([state >> bit & 1 for bit in _COMPASS], self.boundary)
        return west | north << 1 | east << 2 | south << 3


def _turned(state: Tensor) -> Tensor:
    """All particles travelling the other way."""
    return state >> 2 | (state & 3) << 2


def _collided(state: Tensor) -> Tensor:
    head_on = (state == _WEST_EAST) | (state == _NORTH_SOUTH)
    return torch.where(head_on, state ^ 15, state)
