"""FHP: the lattice gas of Frisch, Hasslacher and Pomeau on the triangular lattice."""

from collections import defaultdict
from typing import Literal

import torch
from torch import Tensor

from aetheria.laws.checks import check_choice
from aetheria.laws.hash_noise import hash_words
from aetheria.laws.neighbourhoods import shifted
from aetheria.laws.physics.lattice_gas import SQRT3_2, LatticeGas
from aetheria.laws.registry import register
from aetheria.laws.states import StochasticStateLaw
from aetheria.laws.topology import check_torus

Model = Literal["I", "II", "III"]
_REST = 64
_ROWS = "no other edges bring rows of a triangular lattice together that are shifted alike"
# East, then on anticlockwise (y down), in half cells along x and rows along y.
_DIRECTIONS = ((2, 0), (1, -1), (-1, -1), (-2, 0), (-1, 1), (1, 1), (0, 0))


@register
class FHP(LatticeGas, StochasticStateLaw):
    """Particles move along six directions and collide so that mass and momentum are kept; the fluid is isotropic.

    Cells: one channel, bits 1, 2, 4 .. 32 for travelling east, then on anticlockwise by 60 degrees, and 64 for a particle
    at rest (models II and III). The rows are those of a triangular lattice, odd ones half a cell to the right, sqrt(3)/2
    apart. In a step all particles move, then those of each cell collide; where several outcomes are possible hash noise
    draws one (memory: see `StochasticStateLaw`). I: two head on, and three at 120 degrees; II: particles at rest, too;
    III: all collisions that there can be.

    Source: U. Frisch, B. Hasslacher, Y. Pomeau, Phys. Rev. Lett. 56 (1986) 1505; U. Frisch et al., Complex Systems 1 (1987)
    649.
    """

    divisor = 2
    spatial_period = 2
    divisor_reason = "every second row is shifted by half a cell"
    units = (0.5, SQRT3_2)
    tables: Tensor

    def __init__(self, model: Model = "III", *, boundary: str = "periodic") -> None:
        """
        Args:
            model: "I", "II" or "III".
            boundary: "periodic", "zero" (particles leave over the edge), or a torus with a shift, "periodic-x+3" or, by
                an even number of rows, "periodic-y+2".

        Raises:
            ConfigError: an argument outside its range.
        """
        check_choice(model, ("I", "II", "III"), "[law.fhp] model")
        self.bits = 6 if model == "I" else 7
        self.directions = _DIRECTIONS[: self.bits]
        super().__init__(check_torus(boundary, "fhp", ("periodic", "zero"), {"x": 1, "y": 2}, _ROWS))
        self.model = model
        tables = [collisions(model, turn) for turn in (1, -1)]
        self.register_buffer("tables", torch.tensor(tables, dtype=torch.uint8).flatten(), persistent=False)

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        moved = self._moved(cells.to(torch.uint8)).to(torch.int32)
        drawn = (hash_words(seed, step, cells.shape[2:], self.place) & 1)[:, None]
        index = moved + (drawn << self.bits).to(torch.int32)
        return self.tables.index_select(0, index.flatten()).view_as(cells).to(cells.dtype), seed, step + 1

    def _moved(self, state: Tensor) -> Tensor:
        odd = (torch.arange(state.shape[-2], device=state.device) % 2 == 1)[:, None]
        moved = state & _REST
        for bit, (x, y) in enumerate(_DIRECTIONS[:6]):
            # From a row that is not shifted alike, half a cell is none to one side and one to the other.
            even_row, odd_row = ((-y, (shift - x) // 2) for shift in (0, 1)) if y else ((0, -x // 2),) * 2
            to_even, to_odd = shifted(state, (even_row, odd_row), self.boundary)
            moved = moved | (torch.where(odd, to_odd, to_even) & (1 << bit))
        return moved


def collisions(model: Model, turn: int) -> list[int]:
    """The state after a collision, by that before: one to one; the two turns, 1 and -1, are mirror images."""
    if model == "III":
        return _all_collisions(turn)
    after = list(range(64 if model == "I" else 128))
    pairs = {_ring(k, k + 3): _ring(k + turn, k + 3 + turn) for k in range(3)}
    triples = {_ring(k, k + 2, k + 4): _ring(k + 1, k + 3, k + 5) for k in range(2)}
    for before, state in (pairs | triples).items():
        after[before] = state
        if model == "II":
            after[before | _REST] = state | _REST
    if model == "II":
        for k in range(6):
            after[_ring(k) | _REST] = _ring(k - 1, k + 1)
            after[_ring(k - 1, k + 1)] = _ring(k) | _REST
    return after


def _ring(*directions: int) -> int:
    return sum(1 << direction % 6 for direction in directions)


def _all_collisions(turn: int) -> list[int]:
    """Each state becomes the next one, in a circle, of those with the same mass and momentum."""
    alike = defaultdict(list)
    for state in range(128):
        taken = [_DIRECTIONS[bit] for bit in range(7) if state >> bit & 1]
        alike[len(taken), sum(x for x, _ in taken), sum(y for _, y in taken)].append(state)
    after = [0] * 128
    for states in alike.values():
        for place, state in enumerate(states):
            after[state] = states[(place + turn) % len(states)]
    return after
