"""1x1 convolutions, and transposed 2x2 ones that double the grid's sides, on the CPU in C++."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aetheria.core.cpu_threads import threads_outside
from aetheria.core.precision import Precision
from aetheria.laws.layers import Conv, joined
from aetheria.stepping.cpu.conv3x3 import KernelLayer, address, as_written, check_channels, flat, plain, suits
from aetheria.stepping.cpu.upsample2x import LazyUpsampled


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("source", "weight", "unit", "bias", "next")),
        *((name, ctypes.c_int64) for name in ("cells", "width")),
        *((name, ctypes.c_int32) for name in ("channels", "outputs", "spread", "threads")),
    )


@dataclass(frozen=True)
class PointwiseConv:
    """A convolution without neighbours, as the kernel computes it.

    Attributes:
        conv: whose weights, read anew, are used.
        spread: cells that one cell makes, each way: 1, or 2 for a transposed convolution.
    """

    conv: nn.Conv2d | nn.ConvTranspose2d
    spread: int


def mixing_of(module: nn.Module) -> PointwiseConv | None:
    """`module` for the kernel; None if each of its outputs is not of one cell, or if it has too few channels."""
    if as_written(module, Conv) or as_written(module, nn.Conv2d):
        spread = 1
    elif as_written(module, nn.ConvTranspose2d):
        spread = 2
    else:
        return None
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    sizes = (module.kernel_size, module.stride, module.padding, module.dilation, module.output_padding, module.groups)
    fits = sizes == ((spread, spread), (spread, spread), (0, 0), (1, 1), (0, 0), 1)
    channels = (module.in_channels, module.out_channels) if spread > 1 else (module.out_channels, module.in_channels)
    return PointwiseConv(module, spread) if fits and suits(module, channels) else None


class PointwiseKernel(KernelLayer):
    """Computes a `PointwiseConv`."""

    source = "mixing.cpp"

    def __init__(self, mixing: PointwiseConv, precision: Precision = "fp32") -> None:
        super().__init__(mixing.conv, precision)
        self.conv, self._spread = mixing.conv, mixing.spread

    def __call__(self, *parts: Tensor) -> Tensor:
        cells = flat(joined(*parts), self.stored)
        check_channels(cells.shape[1], self.conv.in_channels)
        return LazyUpsampled(cells, self) if self._spread > 1 else self.made(cells)

    def made(self, cells: Tensor) -> Tensor:
        """The next values, now."""
        conv, spread = self.conv, self._spread
        batch, channels, height, width = cells.shape
        after = torch.empty((batch, spread * height, spread * width, conv.out_channels), dtype=torch.float32)
        bias = plain(conv.bias)  # in a name of its own until the kernel returns
        packed, unit = self._weights(spread**2, channels, conv.out_channels)
        job = _Job(
            *map(address, (cells, packed, unit, bias, after)),
            *(batch * height * width, width),
            *(channels, conv.out_channels, spread, threads_outside()),
        )
        if self._library.mixing(ctypes.byref(job)):
            raise MemoryError("the convolution's buffers")
        return after.permute(0, 3, 1, 2)

    def _arranged(self, weight: Tensor, *_: int) -> Tensor:
        # (places, outputs, channels)
        return (weight.permute(2, 3, 1, 0) if self._spread > 1 else weight.permute(2, 3, 0, 1)).contiguous()
