"""ConvLSTM: a UNet with a convolutional LSTM before its bottleneck."""

import torch
from torch import Tensor

from aetheria.laws.layers import Conv, Gated
from aetheria.laws.quantum.unet import UNet
from aetheria.laws.registry import register


@register
class ConvLSTM(UNet):
    """`UNet` with a convolutional LSTM at a quarter of the size, before the bottleneck.

    Memory: hidden and cell state, each `(B, 4h, H/4, W/4)`, zero at first. Source: X. Shi et al., "Convolutional LSTM
    Network", NeurIPS 2015 (without peepholes). Arguments as for `UNet`.
    """

    _deep_convolutions = 5

    def add_memory(self, width: int) -> None:
        self.width = width
        self.gates = Conv(2 * width, 4 * width, 3, self.boundary)
        self.gated = Gated()

    def initial_memory(self, cells: Tensor) -> tuple[Tensor, ...]:
        batch, _, height, width = cells.shape
        hidden = cells.new_zeros(batch, self.width, height // 4, width // 4)
        return hidden, torch.zeros_like(hidden)

    def remember(self, low: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        hidden, cell = memory
        hidden, cell = self.gated(self.gates(low, hidden), cell)
        return hidden, hidden, cell
