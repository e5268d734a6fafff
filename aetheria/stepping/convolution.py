"""A 3x3 convolution by minimal filtering on the CPU, with the norm and the activation that follow it, in C++."""

import ctypes
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from aetheria.laws.base import Boundary
from aetheria.laws.layers import ChannelNorm, Conv
from aetheria.optimizer import Precision
from aetheria.stepping.native import native_kernel

_BOUNDARIES = get_args(Boundary)  # numbered as in the kernel, like the next
_ACTIVATIONS = ("none", "elu", "relu")
_PADDINGS: dict[str, Boundary] = {"circular": "periodic", "zeros": "zero", "reflect": "reflect"}
# Narrower ones are bound by the transforms, and no faster than as they are written.
LEAST_CHANNELS = 16


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("first", "second", "weight", "unit", "bias", "scale", "next")),
        *((name, ctypes.c_int64) for name in ("batch", "height", "width")),
        *((name, ctypes.c_int32) for name in ("firsts", "seconds", "outputs", "boundary", "activation", "threads")),
        ("eps", ctypes.c_float),
    )


@dataclass(frozen=True)
class Filtering:
    """A convolution as the kernel computes it.

    Attributes:
        conv: whose weights, read anew, are used.
        norm: of the channels of each cell, if any, before the activation.
        activation: "none", "elu" or "relu".
    """

    conv: nn.Conv2d
    boundary: Boundary
    norm: ChannelNorm | None = None
    activation: str = "none"


def as_written(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether it computes what its class says: of no subclass, no method replaced, no hook registered."""
    return type(module) is kind and "forward" not in vars(module) and not (module._forward_hooks or module._forward_pre_hooks)


def filtering_of(module: nn.Module) -> Filtering | None:
    """`module` for the kernel; None if it is not a 3x3 convolution that keeps the grid's size, between enough channels."""
    if not (as_written(module, Conv) or as_written(module, nn.Conv2d)):
        return None
    assert isinstance(module, nn.Conv2d)
    padded = ((0, 0), "valid") if isinstance(module, Conv) else ((1, 1), "same")
    square = (module.kernel_size, module.stride, module.dilation, module.groups) == ((3, 3), (1, 1), (1, 1), 1)
    boundary = module.boundary if isinstance(module, Conv) else _PADDINGS.get(module.padding_mode)
    wide = min(module.in_channels, module.out_channels) >= LEAST_CHANNELS
    if not (square and wide and boundary and module.padding in padded and module.weight.dtype == torch.float32):
        return None
    return Filtering(module, boundary)


class Filter:
    """Computes a `Filtering`. Its weights are transformed when `refresh` finds them changed."""

    def __init__(self, filtering: Filtering, precision: Precision = "fp32") -> None:
        """
        Args:
            precision: "fp32"; or "bf16", for products of integers of 16 bits where the processor has them (VNNI), which are
                nearer to float32 than bfloat16 is, and as fast.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._of = filtering
        self._library = native_kernel("convolution.cpp", **({"SHORT": 1} if precision == "bf16" else {}))
        self._library.packed_size.restype = ctypes.c_int64
        self._seen: Tensor | None = None  # the weights that `_packed` was made from
        self._packed: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}  # with their units; by the channels of the two inputs

    def refresh(self) -> None:
        """Takes over weights that were edited."""
        weight = self._of.conv.weight.detach()
        # By value: an edit through `.data` leaves no trace, and to compare is a fraction of a percent of a step.
        if self._seen is None or not torch.equal(self._seen, weight):
            self._seen = weight.clone(memory_format=torch.contiguous_format)
            self._packed.clear()

    def __call__(self, *parts: Tensor) -> Tensor:
        """The next values `(B, outputs, H, W)`, float32, channels last; several inputs count as one, channel after channel."""
        parts = tuple(_flat(part) for part in (parts if len(parts) <= 2 else (torch.cat(parts, 1),)))
        first, second = parts[0], parts[1] if len(parts) > 1 else None
        batch, _, height, width = first.shape
        outputs = self._of.conv.out_channels
        after = torch.empty((batch, height, width, outputs), dtype=torch.float32)
        norm = self._of.norm
        # Kept in these names until the kernel returns: it gets bare addresses.
        bias, scale = _plain(self._of.conv.bias), _plain(norm.scale if norm else None)
        channels = (first.shape[1], second.shape[1] if second is not None else 0)
        job = _Job(
            *map(_address, (first, second, *self._weight(*channels), bias, scale, after)),
            *(batch, height, width),
            *channels,
            outputs,
            _BOUNDARIES.index(self._of.boundary),
            _ACTIVATIONS.index(self._of.activation),
            torch.get_num_threads(),
            norm.eps if norm else 0.0,
        )
        if self._library.convolution(ctypes.byref(job)):
            raise MemoryError("the convolution's buffers")
        return after.permute(0, 3, 1, 2)

    def _weight(self, first: int, second: int) -> tuple[Tensor, Tensor]:
        packed = self._packed.get((first, second))
        if packed is None:
            if self._seen is None:
                self.refresh()
            assert self._seen is not None
            outputs = len(self._seen)
            size = self._library.packed_size(first, second, outputs)
            packed = torch.empty(size, dtype=torch.uint8), torch.empty(outputs, dtype=torch.float32)
            self._library.pack(_pointer(self._seen), first, second, outputs, *map(_pointer, packed))
            self._packed[first, second] = packed
        return packed


def _flat(part: Tensor) -> Tensor:
    return part.to(torch.float32).contiguous(memory_format=torch.channels_last)


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
