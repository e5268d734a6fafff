"""Building blocks of the neural laws: padding, windows, sums over neighbourhoods, convolutions with a boundary, norms."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws.checks import Boundary, check_choice
from aetheria.laws.local_network import Activation, Dense
from aetheria.laws.topology import is_twisted, twisted_halo

Norm = Literal["channel", "group", "none"]
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
_CORRELATE: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def pad(cells: Tensor, radius: int, boundary: str) -> Tensor:
    """Adds a halo of `radius` cells on every side of `(B, C, *grid)`, filled as the boundary says."""
    rank = cells.ndim - 2
    if radius == 0:
        return cells
    if is_twisted(boundary):
        return twisted_halo(cells, radius, boundary)
    if boundary != "periodic":
        return F.pad(cells, (radius,) * (2 * rank), mode="constant" if boundary == "zero" else "reflect")
    # Not F.pad(mode="circular"): that returns a contiguous copy and loses channels_last.
    if torch.compiler.is_compiling() or radius > min(cells.shape[2:]):
        # Inductor reads an index in the middle of a fused loop, and turns nested cats into branches for each cell.
        places = [torch.arange(-radius, size + radius, device=cells.device) % size for size in cells.shape[2:]]
        index: Any = (..., *(place.view(-1, *[1] * (rank - 1 - axis)) for axis, place in enumerate(places)))
        return cells[index]
    for axis in range(2, cells.ndim):
        last = cells.narrow(axis, cells.shape[axis] - radius, radius)
        cells = torch.cat((last, cells, cells.narrow(axis, 0, radius)), axis)
    return cells


def window(halo: Tensor, corner: Sequence[int], grid: Sequence[int]) -> Tensor:
    """The cells `(B, C, *grid)` of a larger grid, from the cell `corner` on."""
    index: Any = (..., *(slice(start, start + side) for start, side in zip(corner, grid, strict=True)))
    return halo[index]


def correlate(halo: Tensor, weight: Tensor, *, groups: int = 1) -> Tensor:
    """Cross-correlation of padded cells `(B, C, *grid)` with `(outputs, C / groups, *sides)`."""
    return _CORRELATE[halo.ndim - 2](halo, weight, groups=groups)


def moore_sum(halo: Tensor) -> Tensor:
    """Sum over the 3^n cells around and at each cell, of cells `(B, C, *grid)` padded by one."""
    for axis in range(2, halo.ndim):
        size = halo.shape[axis] - 2
        halo = halo.narrow(axis, 0, size) + halo.narrow(axis, 1, size) + halo.narrow(axis, 2, size)
    return halo


def joined(*parts: Tensor) -> Tensor:
    """All parts concatenated along the channels."""
    return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


class _SameSize:
    """A convolution over 1 or 3 cells along each axis that keeps the size of the grid and pads by its boundary.

    Several inputs are concatenated along the channels.
    """

    kernel_size: tuple[int, ...]

    def __init__(self, inputs: int, outputs: int, size: int, boundary: Boundary, bias: bool = True) -> None:
        super().__init__(inputs, outputs, size, bias=bias)  # type: ignore[call-arg]  # of the convolution mixed in
        self.boundary = boundary

    def forward(self, *parts: Tensor) -> Tensor:
        return super().forward(pad(joined(*parts), self.kernel_size[0] // 2, self.boundary))  # type: ignore[misc]


class Conv1d(_SameSize, nn.Conv1d):
    """Convolution over 1 or 3 cells of a row, with a boundary."""


class Conv(_SameSize, nn.Conv2d):
    """1x1 or 3x3 convolution, with a boundary; several inputs are concatenated along the channels."""


class Conv3d(_SameSize, nn.Conv3d):
    """1x1x1 or 3x3x3 convolution, with a boundary."""


class ConvBlock(nn.Sequential):
    """Layers one after the other; several inputs are concatenated along the channels."""

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
        return cells * rms.to(cells.dtype) * self.scale.to(cells.dtype).view(-1, *[1] * (cells.ndim - 2))


class Gated(nn.Module):
    """The gates of an LSTM: gives the next hidden and cell state `(B, C, H, W)`.

    Gates `(B, 4C, H, W)`, before their sigmoid or tanh: forget, accept, output, candidate. Source: S. Hochreiter and
    J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; forget gates: F. Gers et al., 2000.
    """

    def forward(self, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        forget, accept, output, candidate = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + accept.sigmoid() * candidate.tanh()
        return output.sigmoid() * cell.tanh(), cell


def make_conv(rank: int, inputs: int, outputs: int, size: int, boundary: Boundary) -> Convolution:
    """A convolution over `size` (1 or 3) cells along each of `rank` axes, with a boundary."""
    kinds: dict[int, Callable[..., Convolution]] = {1: Conv1d, 2: Conv, 3: Conv3d}
    return kinds[rank](inputs, outputs, size, boundary)


def make_dense(rank: int, inputs: int, outputs: int) -> Convolution:
    """The same dense layer at each cell of a grid with `rank` axes: a convolution over one cell."""
    kinds: dict[int, Callable[..., Convolution]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    return kinds[rank](inputs, outputs, 1)


def make_norm(kind: Norm, channels: int) -> nn.Module:
    """The norm named `kind` over `channels` channels. "group" averages over the grid: it makes a law's radius None."""
    check_choice(kind, ("channel", "group", "none"), "[law] norm")
    if kind == "group":
        groups = channels // 8
        return nn.GroupNorm(groups if groups and channels % groups == 0 else 1, channels)
    return ChannelNorm(channels) if kind == "channel" else nn.Identity()


def start_small(layer: Convolution, output_scale: float | None) -> Convolution:
    """Starts a last layer at N(0, output_scale^2), or N(0, (1e-5)^2) for training, and zero bias."""
    scale = 1e-5 if output_scale is None else output_scale
    if not (math.isfinite(scale) and scale >= 0):
        raise ConfigError(f"[law] output_scale: {output_scale} given; expected a finite number of 0 or more")
    nn.init.normal_(layer.weight, std=scale)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def as_dense(layer: Convolution, norm: nn.Module | None, activation: Activation) -> Dense | None:
    """A convolution, its norm and its activation as a `Dense`; None for a norm with statistics across cells.

    The inputs of a convolution over 3 cells along each axis come tap by tap in reading order, as `one_hot` filters give them.
    """
    weight = layer.weight.movedim(1, -1).flatten(1)
    if isinstance(norm, ChannelNorm):
        return Dense(weight, layer.bias, activation, norm.scale, norm.eps)
    return Dense(weight, layer.bias, activation) if norm is None or isinstance(norm, nn.Identity) else None
