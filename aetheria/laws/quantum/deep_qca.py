"""DEEP_QCA: a cell's change depends on its Moore neighbours alone."""

from itertools import product
from typing import Literal

import torch
from torch import Tensor

from aetheria.laws.checks import RANKS, Boundary, check_choice
from aetheria.laws.layers import Norm, make_dense, moore_sum, pad, window
from aetheria.laws.local_network import CellNetwork, Normalise, as_filter, one_hot
from aetheria.laws.quantum.per_cell import PerCellLaw
from aetheria.laws.registry import register


@register
class DEEP_QCA(PerCellLaw):  # noqa: N801 - the law's published name
    """Two hidden layers at each cell, fed by its Moore neighbours (2, 8 or 26) without the cell itself."""

    ranks = RANKS

    def __init__(
        self,
        d_state: int,
        hidden_channels: int = 32,
        *,
        perceive: Literal["each", "sum"] = "each",
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
            perceive: "each" (every channel of each of n neighbours: 2nd inputs, neighbour by neighbour in reading order) or
                "sum" (the neighbours' sum per channel: 2d inputs).
            rank: number of grid axes, 1, 2 or 3.
            norm, boundary, decay, normalise: see `QuantumLaw`.
            output_scale: standard deviation of the last layer's weights; None for 1e-5.
        """
        check_choice(perceive, ("each", "sum"), "[law.deep_qca] perceive")
        super().__init__(
            d_state, hidden_channels, norm=norm, rank=rank, radius=1, boundary=boundary, decay=decay, normalise=normalise
        )
        self.summed = perceive == "sum"
        self.neighbours = [at for at in product(range(3), repeat=rank) if at != (1,) * rank]
        seen = 1 if self.summed else len(self.neighbours)
        self.perceive = make_dense(rank, 2 * d_state * seen, hidden_channels)
        self.add_layers(norm, output_scale)

    def perceived(self, cells: Tensor) -> Tensor:
        """Of n neighbours, `(B, 2nd, *grid)`, or `(B, 2d, *grid)` summed."""
        halo = pad(cells, 1, self.boundary)
        if self.summed:
            return moore_sum(halo) - cells
        return torch.cat([window(halo, neighbour, cells.shape[2:]) for neighbour in self.neighbours], 1)

    def cell_network(self) -> CellNetwork | None:
        if self.summed:
            around = torch.ones((3,) * self.ranks[0])
            around[(1,) * self.ranks[0]] = 0
            return self.as_cell_network((as_filter(around),))
        return self.as_cell_network(one_hot(*self.neighbours))
