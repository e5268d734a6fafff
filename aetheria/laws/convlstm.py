"""ConvLSTM: a UNet that remembers."""

import torch
from torch import Tensor

from aetheria.laws.base import Boundary
from aetheria.laws.layers import Conv, Norm
from aetheria.laws.unet import UNet
from aetheria.laws.updates import Normalise


class ConvLSTM(UNet):
    """`UNet` with a convolutional LSTM at a quarter of the size, before the bottleneck.

    Memory: hidden and cell state, each `(B, 4h, H/4, W/4)`, zero at first. Source: X. Shi et al., "Convolutional LSTM
    Network", NeurIPS 2015 (without peepholes).
    """

    _deep_convolutions = 5

    def __init__(
        self,
        d_state: int,
        hidden_channels: int = 32,
        *,
        norm: Norm = "channel",
        boundary: Boundary = "periodic",
        decay: float = 0.0,
        normalise: Normalise = "grid",
        output_scale: float | None = None,
    ) -> None:
        """Arguments as for `UNet`."""
        super().__init__(
            d_state,
            hidden_channels,
            norm=norm,
            boundary=boundary,
            decay=decay,
            normalise=normalise,
            output_scale=output_scale,
        )
        self.width = 4 * hidden_channels
        self.gates = Conv(2 * self.width, 4 * self.width, 3, boundary)

    def initial_memory(self, cells: Tensor) -> tuple[Tensor, ...]:
        batch, _, height, width = cells.shape
        hidden = cells.new_zeros(batch, self.width, height // 4, width // 4)
        return hidden, torch.zeros_like(hidden)

    def remember(self, low: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        hidden, cell = memory
        forget, accept, output, candidate = self.gates(torch.cat((low, hidden), 1)).chunk(4, 1)
        cell = forget.sigmoid() * cell + accept.sigmoid() * candidate.tanh()
        hidden = output.sigmoid() * cell.tanh()
        return hidden, hidden, cell
