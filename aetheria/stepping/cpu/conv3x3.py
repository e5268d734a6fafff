"""3x3 convolutions by Winograd's minimal filtering on the CPU, with the norm and the activation that follow."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aetheria.core.cpu_threads import threads_outside
from aetheria.core.precision import Precision
from aetheria.laws.checks import BOUNDARIES, Boundary
from aetheria.laws.layers import ChannelNorm, Conv
from aetheria.laws.local_network import ACTIVATIONS, Activation
from aetheria.stepping.cpu.job import address, fields, plain, run
from aetheria.stepping.cpu.kernel_layer import KernelLayer, as_written, check_channels, flat, suits
from aetheria.stepping.cpu.upsample2x import LazyUpsampled, Upsampler, composed

_PADDINGS: dict[str, Boundary] = {"circular": "periodic", "zeros": "zero", "reflect": "reflect"}


class Job(ctypes.Structure):
    """As in `conv3x3.cpp`; the channels of the second source follow those of the first."""

    _fields_ = fields(
        "first_source second_source weight unit bias scale addend out",
        int64="batch height width",
        int32="first_channels second_channels outputs boundary activation threads",
        float32="eps",
    )


@dataclass(frozen=True)
class Conv3x3:
    """A 3x3 convolution that keeps the size of the grid.

    Attributes:
        conv: the module with the weights.
        norm: over the channels of each cell, before the activation; or None.
    """

    conv: nn.Conv2d
    boundary: Boundary
    norm: ChannelNorm | None = None
    activation: Activation = "none"


def as_conv3x3(module: nn.Module) -> Conv3x3 | None:
    """`module` as the kernel computes it; None if it is another layer, changes the grid's size, or has too few channels."""
    if not (as_written(module, Conv) or as_written(module, nn.Conv2d)):
        return None
    assert isinstance(module, nn.Conv2d)
    padded = ((0, 0), "valid") if isinstance(module, Conv) else ((1, 1), "same")
    square = (module.kernel_size, module.stride, module.dilation, module.groups) == ((3, 3), (1, 1), (1, 1), 1)
    boundary = module.boundary if isinstance(module, Conv) else _PADDINGS.get(module.padding_mode)
    if not (square and boundary and module.padding in padded and suits(module, (module.out_channels, module.in_channels))):
        return None
    return Conv3x3(module, boundary)


class _WinogradKernel(KernelLayer):
    """Calls the kernel."""

    source, job = "conv3x3.cpp", Job

    def _run(
        self, parts: tuple[Tensor, ...], after: Tensor, of: Conv3x3, addend: Tensor | None = None, bias: Tensor | None = None
    ) -> None:
        """Writes `after`, `(B, H, W, outputs)`.

        Args:
            parts: one or two inputs; the channels of the second follow those of the first.
            addend: laid out like `after`, added before the norm.
        """
        scale = plain(of.norm.scale if of.norm else None)
        batch, _, height, width = parts[0].shape
        first, second = (parts[0], None) if len(parts) == 1 else parts
        channels, outputs = (first.shape[1], 0 if second is None else second.shape[1]), of.conv.out_channels
        packed, unit = self._packed_weights(*channels, outputs)
        job = Job(
            *map(address, (first, second, packed, unit, bias, scale, addend, after)),
            *(batch, height, width),
            *channels,
            outputs,
            BOUNDARIES.index(of.boundary),
            ACTIVATIONS.index(of.activation),
            threads_outside(),
            of.norm.eps if of.norm else 0.0,
        )
        run(self._library.conv3x3, job)


class Conv3x3Kernel(_WinogradKernel):
    """Computes a `Conv3x3`."""

    def __init__(self, conv3x3: Conv3x3, precision: Precision = "fp32") -> None:
        super().__init__(conv3x3.conv, precision)
        self._of, self._precision = conv3x3, precision
        self._merged: dict[Upsampler, _UpsampledConv] = {}  # with the upsampling before it, by upsampler

    def __call__(self, *parts: Tensor) -> Tensor:
        """Several inputs count as one, channel after channel."""
        conv = self._of.conv
        check_channels(sum(part.shape[1] for part in parts), conv.in_channels)
        addend, first = None, parts[0]
        if len(parts) > 1 and isinstance(first, LazyUpsampled) and self._merging_pays(first):
            if first.upsampler not in self._merged:
                self._merged[first.upsampler] = _UpsampledConv(self._of, self, first.upsampler, self._precision)
            addend, parts = self._merged[first.upsampler].sums(first.cells), parts[1:]
        parts = tuple(flat(part, self.stored) for part in (parts if len(parts) <= 2 else (torch.cat(parts, 1),)))
        batch, _, height, width = parts[0].shape
        after = torch.empty((batch, height, width, conv.out_channels), dtype=self.stored)
        self._run(parts, after, self._of, addend, plain(conv.bias))
        return after.permute(0, 3, 1, 2)

    def _merging_pays(self, upsampled: LazyUpsampled) -> bool:
        """Whether one merged convolution of the source takes fewer products than upsampling first."""
        channels, middle, outputs = upsampled.cells.shape[1], upsampled.shape[1], self._of.conv.out_channels
        # Other boundaries apply to the upsampled grid, whose outer cells have no source.
        return self._of.boundary == "periodic" and 25 * channels * outputs < 16 * channels * middle + 36 * middle * outputs

    def _arranged(self, weight: Tensor, *sizes: int) -> Tensor:
        first, second, _ = sizes  # the last channels, where those before them are merged with the upsampling
        return weight[:, weight.shape[1] - first - second :]


class _UpsampledConv(_WinogradKernel):
    """A transposed 2x2 convolution merged with the 3x3 convolution of its outputs; periodic."""

    def __init__(self, of: Conv3x3, second: KernelLayer, upsampler: Upsampler, precision: Precision) -> None:
        super().__init__(of.conv, precision, UPSAMPLED=1)
        self._of, self._upsampler, self._second = Conv3x3(of.conv, of.boundary), upsampler, second
        self._composed_from: tuple[Tensor, ...] = ()
        self._sums = torch.empty(0)  # of the second convolution's weights over their places: (outputs, middle)

    def sums(self, cells: Tensor) -> Tensor:
        """`(B, 2H, 2W, outputs)`, without the bias of the second convolution."""
        batch, _, height, width = cells.shape
        self._compose()
        first_bias = self._upsampler.conv.bias
        bias = None if first_bias is None else (self._sums * first_bias.detach()).sum(1)
        after = torch.empty((batch, 2 * height, 2 * width, self._of.conv.out_channels), dtype=self.stored)
        self._run((cells,), after, self._of, bias=bias)
        return after

    def _compose(self) -> None:
        """Takes over the weights of both, if they were edited."""
        weights = self._upsampler.weight, self._second.weight
        if not self._composed_from or any(now is not then for now, then in zip(weights, self._composed_from, strict=True)):
            first, second = weights[0], weights[1][:, : weights[0].shape[1]]
            self._weight, self._composed_from, self._sums = composed(first, second), weights, second.sum((2, 3))
            self._packed.clear()
