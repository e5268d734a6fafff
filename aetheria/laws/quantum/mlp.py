"""MLP: one small network at every cell."""

from typing import Literal

from aetheria.laws.checks import RANKS, Boundary, check_choice
from aetheria.laws.layers import Norm, make_conv
from aetheria.laws.local_network import CellNetwork, Normalise, every_tap, one_hot
from aetheria.laws.quantum.per_cell import PerCellLaw
from aetheria.laws.registry import register


@register
class MLP(PerCellLaw):
    """Two hidden layers at each cell, fed by its Moore neighbourhood and itself ("moore") or by itself alone ("self")."""

    ranks = RANKS

    def __init__(
        self,
        d_state: int,
        hidden_channels: int = 32,
        *,
        perceive: Literal["moore", "self"] = "moore",
        rank: int = 2,
        norm: Norm = "channel",
        boundary: Boundary = "periodic",
        decay: float = 0.0,
        normalise: Normalise = "grid",
        output_scale: float | None = None,
    ) -> None:
        """
        Args:
            d_state: complex amplitudes d per cell.
            hidden_channels: width h of the hidden layers.
            perceive: "moore" (convolution 2d -> h over 3 cells along each axis) or "self" (over one cell).
            rank: number of grid axes, 1, 2 or 3.
            norm, boundary, decay, normalise: see `QuantumLaw`.
            output_scale: standard deviation of the last layer's weights; None for 1e-5.
        """
        radius = int(check_choice(perceive, ("moore", "self"), "[law.mlp] perceive") == "moore")
        super().__init__(
            d_state, hidden_channels, norm=norm, rank=rank, radius=radius, boundary=boundary, decay=decay, normalise=normalise
        )
        self.perceive = make_conv(rank, 2 * d_state, hidden_channels, 2 * radius + 1, boundary)
        self.add_layers(norm, output_scale)

    def cell_network(self) -> CellNetwork | None:
        (rank,) = self.ranks
        return self.as_cell_network(one_hot(*(every_tap(rank) if self.perceive.kernel_size[0] == 3 else [(1,) * rank])))
