"""MLP: one small network at every cell."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.laws.checks import Boundary, check_choice, check_positive
from aetheria.laws.layers import Conv, Norm, make_norm, start_small
from aetheria.laws.local_network import CellNetwork, Normalise, one_hot
from aetheria.laws.registry import register
from aetheria.laws.updates import QuantumLaw


@register
class MLP(QuantumLaw):
    """Two hidden layers at each cell, fed by its 3x3 neighbourhood ("moore") or by itself alone ("self")."""

    def __init__(
        self,
        d_state: int,
        hidden_channels: int = 32,
        *,
        perceive: Literal["moore", "self"] = "moore",
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
            perceive: "moore" (3x3 convolution 2d -> h) or "self" (1x1).
            norm, boundary, decay, normalise: see `QuantumLaw`.
            output_scale: standard deviation of the last layer's weights; None for 1e-5.
        """
        check_choice(perceive, ("moore", "self"), "[law.mlp] perceive")
        super().__init__(
            d_state, decay=decay, normalise=normalise, boundary=boundary, radius=int(perceive == "moore"), norm=norm
        )
        check_positive("[law.mlp]", hidden_channels=hidden_channels)
        self.perceive = Conv(2 * d_state, hidden_channels, 3 if perceive == "moore" else 1, boundary)
        self.norms = nn.ModuleList(make_norm(norm, hidden_channels) for _ in range(2))
        self.hidden = nn.Conv2d(hidden_channels, hidden_channels, 1)
        self.out = start_small(nn.Conv2d(hidden_channels, 2 * d_state, 1), output_scale)

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        h = F.elu(self.norms[0](self.perceive(cells)))
        h = F.elu(self.norms[1](self.hidden(h)))
        return (self.out(h),)

    def cell_network(self) -> CellNetwork | None:
        taps = [(y, x) for y in range(3) for x in range(3)] if self.perceive.kernel_size[0] == 3 else [(1, 1)]
        return self.as_cell_network(one_hot(*taps), self.perceive, self.hidden, self.out, self.norms)
