"""DEEP_QCA: a cell's change depends on its eight neighbours alone."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.laws.checks import Boundary, check_choice, check_positive
from aetheria.laws.layers import Norm, make_norm, pad, start_small
from aetheria.laws.local_network import CellNetwork, Normalise, one_hot
from aetheria.laws.registry import register
from aetheria.laws.updates import QuantumLaw

MOORE = tuple((y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1))


@register
class DEEP_QCA(QuantumLaw):  # noqa: N801 - the law's published name
    """Two hidden layers at each cell, fed by the eight Moore neighbours without the centre."""

    def __init__(
        self,
        d_state: int,
        hidden_channels: int = 32,
        *,
        perceive: Literal["each", "sum"] = "each",
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
            perceive: "each" (every neighbour of every channel apart: 16d inputs, neighbour by neighbour in reading order)
                or "sum" (their sum per channel: 2d inputs).
            norm, boundary, decay, normalise: see `QuantumLaw`.
            output_scale: standard deviation of the last layer's weights; None for 1e-5.
        """
        check_choice(perceive, ("each", "sum"), "[law.deep_qca] perceive")
        super().__init__(d_state, decay=decay, normalise=normalise, boundary=boundary, radius=1, norm=norm)
        check_positive("[law.deep_qca]", hidden_channels=hidden_channels)
        self.summed = perceive == "sum"
        self.perceive = nn.Conv2d((2 if self.summed else 16) * d_state, hidden_channels, 1)
        self.norms = nn.ModuleList(make_norm(norm, hidden_channels) for _ in range(2))
        self.hidden = nn.Conv2d(hidden_channels, hidden_channels, 1)
        self.out = start_small(nn.Conv2d(hidden_channels, 2 * d_state, 1), output_scale)

    def neighbours(self, cells: Tensor) -> Tensor:
        """What a cell perceives: `(B, 16d, H, W)`, or `(B, 2d, H, W)` summed."""
        halo = pad(cells, 1, self.boundary)
        height, width = cells.shape[-2:]
        if self.summed:
            rows = halo[:, :, :-2] + halo[:, :, 1:-1] + halo[:, :, 2:]
            return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] - cells
        return torch.cat([halo[..., y : y + height, x : x + width] for y, x in MOORE], 1)

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        h = F.elu(self.norms[0](self.perceive(self.neighbours(cells))))
        h = F.elu(self.norms[1](self.hidden(h)))
        return (self.out(h),)

    def cell_network(self) -> CellNetwork | None:
        filters = (((1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.0)),) if self.summed else one_hot(*MOORE)
        return self.as_cell_network(filters, self.perceive, self.hidden, self.out, self.norms)
