"""1x1 convolutions, and transposed 2x2 convolutions that double the grid's sides, on the CPU."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aetheria.core.cpu_threads import threads_outside
from aetheria.core.precision import Precision
from aetheria.laws.layers import Conv, joined
from aetheria.stepping.cpu.job import address, fields, plain, run
from aetheria.stepping.cpu.kernel_layer import KernelLayer, as_written, check_channels, flat, suits
from aetheria.stepping.cpu.upsample2x import LazyUpsampled


class Job(ctypes.Structure):
    """As in `conv1x1.cpp`."""

    _fields_ = fields("source weight unit bias out", int64="cells width", int32="channels outputs upscale threads")


@dataclass(frozen=True)
class PointwiseConv:
    """A convolution whose outputs depend on one cell each.

    Attributes:
        conv: the module with the weights.
        upscale: outputs per input along each axis: 1, or 2 for a transposed convolution.
    """

    conv: nn.Conv2d | nn.ConvTranspose2d
    upscale: int


def as_pointwise_conv(module: nn.Module) -> PointwiseConv | None:
    """`module` as the kernel computes it; None if an output depends on several cells, or if it has too few channels."""
    if as_written(module, Conv) or as_written(module, nn.Conv2d):
        upscale = 1
    elif as_written(module, nn.ConvTranspose2d):
        upscale = 2
    else:
        return None
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    sizes = (module.kernel_size, module.stride, module.padding, module.dilation, module.output_padding, module.groups)
    fits = sizes == ((upscale, upscale), (upscale, upscale), (0, 0), (1, 1), (0, 0), 1)
    channels = (module.in_channels, module.out_channels) if upscale > 1 else (module.out_channels, module.in_channels)
    return PointwiseConv(module, upscale) if fits and suits(module, channels) else None


class PointwiseKernel(KernelLayer):
    """Computes a `PointwiseConv`."""

    source, job = "conv1x1.cpp", Job

    def __init__(self, pointwise: PointwiseConv, precision: Precision = "fp32") -> None:
        super().__init__(pointwise.conv, precision)
        self.conv, self._upscale = pointwise.conv, pointwise.upscale

    def __call__(self, *parts: Tensor) -> Tensor:
        cells = flat(joined(*parts), self.stored)
        check_channels(cells.shape[1], self.conv.in_channels)
        return LazyUpsampled(cells, self) if self._upscale > 1 else self.compute(cells)

    def compute(self, cells: Tensor) -> Tensor:
        """The next values, at once."""
        conv, upscale = self.conv, self._upscale
        batch, channels, height, width = cells.shape
        after = torch.empty((batch, upscale * height, upscale * width, conv.out_channels), dtype=torch.float32)
        bias = plain(conv.bias)
        packed, unit = self._packed_weights(upscale**2, channels, conv.out_channels)
        job = Job(
            *map(address, (cells, packed, unit, bias, after)),
            *(batch * height * width, width),
            *(channels, conv.out_channels, upscale, threads_outside()),
        )
        run(self._library.conv1x1, job)
        return after.permute(0, 3, 1, 2)

    def _arranged(self, weight: Tensor, *_: int) -> Tensor:
        # (places, outputs, channels)
        return (weight.permute(2, 3, 1, 0) if self._upscale > 1 else weight.permute(2, 3, 0, 1)).contiguous()
