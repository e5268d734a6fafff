"""UNet: a network on the grid at three scales, for two-dimensional grids."""

import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.laws.checks import Boundary, check_positive
from aetheria.laws.layers import Conv, ConvBlock, Norm, make_norm, start_small
from aetheria.laws.local_network import Normalise
from aetheria.laws.registry import register
from aetheria.laws.updates import QuantumLaw


@register
class UNet(QuantumLaw):
    """U-shaped network of widths h, 2h, 4h and a bottleneck of 8h at a quarter of the size.

    Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015 (here with periodic padding and two halvings).
    Two-dimensional grids only; height and width must be multiples of 4. The pooling grid is fixed to the cells: the law
    commutes with shifts by multiples of 4 only.
    """

    divisor = 4
    _deep_convolutions = 4  # 3x3 convolutions at the lowest level, which set the radius

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
        """
        Args:
            d_state: complex amplitudes d per cell.
            hidden_channels: width h at full size.
            norm, boundary, decay, normalise: see `QuantumLaw`.
            output_scale: standard deviation of the last layer's weights; None for 1e-5.
        """
        radius = reach(self._deep_convolutions)
        super().__init__(d_state, decay=decay, normalise=normalise, boundary=boundary, radius=radius, norm=norm)
        check_positive(f"[law.{type(self).__name__.lower()}]", hidden_channels=hidden_channels)
        h = hidden_channels
        self.down1 = _block(2 * d_state, h, boundary, norm)
        self.down2 = _block(h, 2 * h, boundary, norm)
        self.down3 = _block(2 * h, 4 * h, boundary, norm)
        self.bottleneck = _block(4 * h, 8 * h, boundary, norm)
        self.up2 = nn.ConvTranspose2d(8 * h, 4 * h, 2, stride=2)
        self.join2 = _block(6 * h, 4 * h, boundary, norm)
        self.up1 = nn.ConvTranspose2d(4 * h, 2 * h, 2, stride=2)
        self.join1 = _block(3 * h, h, boundary, norm)
        self.out = start_small(nn.Conv2d(h, 2 * d_state, 1), output_scale)
        self.add_memory(4 * h)

    def add_memory(self, width: int) -> None:
        """Makes the layers of `remember`, at the lowest level of `width` channels; a plain UNet has none."""

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        full = self.down1(cells)
        half = self.down2(F.max_pool2d(full, 2))
        low, *after = self.remember(self.down3(F.max_pool2d(half, 2)), *memory)
        half = self.join2(self.up2(self.bottleneck(low)), half)
        full = self.join1(self.up1(half), full)
        return self.out(full), *after

    def remember(self, low: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """The input of the bottleneck `(B, 4h, H/4, W/4)`, followed by the next memory; a plain UNet has none."""
        return (low,)


def _block(inputs: int, outputs: int, boundary: Boundary, norm: Norm) -> ConvBlock:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [Conv(width, outputs, 3, boundary, bias=False), make_norm(norm, outputs), nn.ELU()]
    return ConvBlock(*layers)


def reach(deep_convolutions: int) -> int:
    """Radius of the network in cells: the furthest input that one output cell depends on."""
    widest = 0
    for cell in range(4):
        low, high = (cell - 2) // 2 - 2, (cell + 2) // 2 + 2  # two convolutions at full size, two at half
        low, high = low // 2 - deep_convolutions, high // 2 + deep_convolutions
        low, high = 2 * low - 2, 2 * high + 1 + 2
        low, high = 2 * low - 2, 2 * high + 1 + 2
        widest = max(widest, cell - low, high - cell)
    return widest
