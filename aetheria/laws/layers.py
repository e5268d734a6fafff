"""Building blocks of the neural laws: padding by boundary, local norms, convolutions that know their boundary."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws.checks import Boundary, check_choice
from aetheria.laws.local_network import Activation, Dense

Norm = Literal["channel", "group", "none"]


def pad(cells: Tensor, radius: int, boundary: Boundary) -> Tensor:
    """Adds a halo of `radius` cells on every side of `(B, C, H, W)`, filled as the boundary says."""
    if radius == 0:
        return cells
    if boundary != "periodic":
        return F.pad(cells, (radius,) * 4, mode="constant" if boundary == "zero" else "reflect")
    # Not F.pad(mode="circular"): that returns a contiguous copy and loses channels_last.
    if torch.compiler.is_compiling():
        # Inductor reads an index in the middle of a fused loop, and turns nested cats into branches for each cell.
        y, x = (torch.arange(-radius, size + radius, device=cells.device) % size for size in cells.shape[-2:])
        return cells[:, :, y[:, None], x]
    rows = torch.cat((cells[:, :, -radius:], cells, cells[:, :, :radius]), 2)
    return torch.cat((rows[..., -radius:], rows, rows[..., :radius]), 3)


def joined(*parts: Tensor) -> Tensor:
    """The channels of all parts, one part after the other."""
    return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


class Conv(nn.Conv2d):
    """3x3 (or 1x1) convolution that keeps the grid's size; beyond the edge lies what `boundary` says.

    Several inputs count as one, channel after channel.
    """

    def __init__(self, inputs: int, outputs: int, size: int, boundary: Boundary, bias: bool = True) -> None:
        super().__init__(inputs, outputs, size, bias=bias)
        self.boundary = boundary

    def forward(self, *parts: Tensor) -> Tensor:
        return super().forward(pad(joined(*parts), self.kernel_size[0] // 2, self.boundary))


class Block(nn.Sequential):
    """Layers one after the other; several inputs count as one, channel after channel."""

    def forward(self, *parts: Tensor) -> Tensor:
        return super().forward(joined(*parts))  # type: ignore[no-untyped-call]  # by torch's stubs


class ChannelNorm(nn.Module):
    """Root-mean-square norm over the channels of each cell, with a learned scale per channel.

    No statistics across cells, so that a far-away cell never matters. Source: B. Zhang and R. Sennrich, "Root Mean
    Square Layer Normalization", NeurIPS 2019.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def forward(self, cells: Tensor) -> Tensor:
        # In float32 at least: squares in bfloat16 would lose most of their digits.
        wide = cells.to(torch.promote_types(cells.dtype, torch.float32))
        rms = wide.square().mean(1, keepdim=True).add(self.eps).rsqrt()
        return cells * rms.to(cells.dtype) * self.scale.to(cells.dtype)[:, None, None]


class Gated(nn.Module):
    """What an LSTM does with its gates: the next hidden and cell state `(B, C, H, W)`.

    Gates `(B, 4C, H, W)`, before their sigmoid or tanh: forget, accept, output, candidate. Source: S. Hochreiter and
    J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; forget gates: F. Gers et al., 2000.
    """

    def forward(self, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        forget, accept, output, candidate = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + accept.sigmoid() * candidate.tanh()
        return output.sigmoid() * cell.tanh(), cell


def make_norm(kind: Norm, channels: int) -> nn.Module:
    """The norm named `kind` over `channels` channels. "group" averages over the grid: it makes a law's radius None."""
    check_choice(kind, ("channel", "group", "none"), "[law] norm")
    if kind == "group":
        groups = channels // 8
        return nn.GroupNorm(groups if groups and channels % groups == 0 else 1, channels)
    return ChannelNorm(channels) if kind == "channel" else nn.Identity()


def start_small(layer: nn.Conv2d, output_scale: float | None) -> nn.Conv2d:
    """Starts a last layer at N(0, output_scale^2), or N(0, (1e-5)^2) for training, and zero bias."""
    scale = 1e-5 if output_scale is None else output_scale
    if not (math.isfinite(scale) and scale >= 0):
        raise ConfigError(f"[law] output_scale: {output_scale} given; expected a finite number of 0 or more")
    nn.init.normal_(layer.weight, std=scale)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def as_dense(layer: nn.Conv2d, norm: nn.Module | None, activation: Activation) -> Dense | None:
    """A convolution, its norm and its activation as a `Dense`; None for a norm with statistics across cells.

    A 3x3 convolution's inputs come tap by tap in reading order, as `one_hot` filters give them.
    """
    weight = layer.weight.permute(0, 2, 3, 1).flatten(1)
    if isinstance(norm, ChannelNorm):
        return Dense(weight, layer.bias, activation, norm.scale, norm.eps)
    return Dense(weight, layer.bias, activation) if norm is None or isinstance(norm, nn.Identity) else None
