"""Contact process: cells that infect their neighbours and recover."""

import math

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.checks import RANKS
from aetheria.laws.controls import Control
from aetheria.laws.hash_noise import hash_words, threshold
from aetheria.laws.neighbourhoods import neighbour_sum
from aetheria.laws.registry import register
from aetheria.laws.states import StochasticStateLaw
from aetheria.laws.topology import check_topology

_MOST = 6  # neighbours, on a grid of three axes


@register
class ContactProcess(StochasticStateLaw):
    """Infected cells recover at rate 1, and healthy ones are infected at a rate times the infected share of their neighbours.

    Cells: 0 healthy, 1 infected. In a step of `dt` an infected cell recovers with chance 1 - exp(-dt); a healthy one with k
    infected of 2 n nearest neighbours is infected with chance 1 - exp(-dt rate k / (2 n)). Memory: see `StochasticStateLaw`.
    For small dt the infection survives above a rate of 3.2978 in one dimension, 1.6488 in two, 1.3169 in three.

    Source: T. E. Harris, Annals of Probability 2 (1974) 969; thresholds: J. Marro, R. Dickman, "Nonequilibrium Phase
    Transitions in Lattice Models", Cambridge 1999, chapter 6.
    """

    ranks = RANKS
    radius = 1
    controls = (
        Control("rate", "infections per infected cell and unit of time", 0.0, 6.0, lambda value: value >= 0, "0 or more"),
    )

    def __init__(self, rate: float = 2.0, *, dt: float = 0.1, boundary: str = "periodic") -> None:
        """
        Args:
            rate: infections per infected cell and unit of time, among healthy neighbours; 0 or more.
            dt: units of time per step, above 0 and at most 1.
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift; see `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.set_states(2, ((16, 16, 24), (240, 110, 70)))
        if not 0 < dt <= 1:
            raise ConfigError(f"[law.contactprocess] dt: {dt} given; expected 0 < dt <= 1")
        self.dt = dt
        self.boundary = check_topology(boundary, "contactprocess")
        self.rate = rate

    def live_value(self, control: Control, value: float) -> Tensor:
        """The words below which a cell with k infected neighbours is infected: `(3, 7)`, a row for each rank, by k."""
        return torch.tensor(
            [[threshold(-math.expm1(-self.dt * value * k / (2 * rank))) for k in range(_MOST + 1)] for rank in RANKS]
        )

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        ill = cells > 0.5
        near = neighbour_sum(ill.to(torch.int32), "von_neumann", 1, self.boundary)
        infects = self.live("rate")[cells.ndim - 3].index_select(0, near.flatten()).view_as(near)
        recovers = threshold(-math.expm1(-self.dt))
        moves = hash_words(seed, step, cells.shape[2:], self.place)[:, None] < torch.where(ill, recovers, infects)
        return (ill ^ moves).to(cells.dtype), seed, step + 1
