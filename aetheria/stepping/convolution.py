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


def suits(conv: nn.Conv2d | nn.ConvTranspose2d, channels: tuple[int, int]) -> bool:
    """Whether its weights are what a kernel reads: float32, of the shapes that it says, between enough channels."""
    weight, bias = conv.weight, conv.bias
    whole = weight.shape == (*channels, *conv.kernel_size) and (bias is None or bias.shape == (conv.out_channels,))
    return whole and weight.dtype == torch.float32 and weight.device.type == "cpu" and min(channels) >= LEAST_CHANNELS


def filtering_of(module: nn.Module) -> Filtering | None:
    """`module` for the kernel; None if it is not a 3x3 convolution that keeps the grid's size, between enough channels."""
    if not (as_written(module, Conv) or as_written(module, nn.Conv2d)):
        return None
    assert isinstance(module, nn.Conv2d)
    padded = ((0, 0), "valid") if isinstance(module, Conv) else ((1, 1), "same")
    square = (module.kernel_size, module.stride, module.dilation, module.groups) == ((3, 3), (1, 1), (1, 1), 1)
    boundary = module.boundary if isinstance(module, Conv) else _PADDINGS.get(module.padding_mode)
    if not (square and boundary and module.padding in padded and suits(module, (module.out_channels, module.in_channels))):
        return None
    return Filtering(module, boundary)


class OwnLayer:
    """A convolution of torch's that a kernel of ours computes. `refresh` packs its weights anew where they were edited."""

    source = ""  # of the kernel

    def __init__(self, conv: nn.Module, precision: Precision = "fp32") -> None:
        """
        Args:
            precision: "fp32"; or "bf16", for products of integers of 16 bits where the processor has them (VNNI), which are
                as fast as those of bfloat16 and keep more digits.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._conv = conv
        self._library = native_kernel(self.source, **({"SHORT": 1} if precision == "bf16" else {}))
        self._library.packed_size.restype = ctypes.c_int64
        self._seen: Tensor | None = None  # the weights that `_packed` was made from
        self._packed: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}  # with their units; by the sizes they were packed for

    def refresh(self) -> None:
        """Takes over weights that were edited."""
        weight, seen = self._conv.get_parameter("weight").detach().contiguous(), self._seen
        # By value: an edit through `.data` leaves no trace, and to compare is a percent of a step.
        if seen is None or not self._library.same(_pointer(weight), _pointer(seen), ctypes.c_int64(seen.numel())):
            self._seen = weight.clone()
            self._packed.clear()

    def _weights(self, outputs: int, *sizes: int) -> tuple[Tensor, Tensor]:
        """The weights as the kernel reads them, and their units."""
        if sizes not in self._packed:
            if self._seen is None:
                self.refresh()
            assert self._seen is not None
            weight, packed = self._arranged(self._seen), torch.empty(self._library.packed_size(*sizes), dtype=torch.uint8)
            unit = torch.empty(outputs, dtype=torch.float32)
            self._library.pack(_pointer(weight), *sizes, _pointer(packed), _pointer(unit))
            self._packed[sizes] = packed, unit
        return self._packed[sizes]

    def _arranged(self, weight: Tensor) -> Tensor:
        """The weights in the order that the kernel packs."""
        return weight

    def __call__(self, *parts: Tensor) -> Tensor:
        """The next values `(B, outputs, H, W)`, float32, channels last."""
        raise NotImplementedError


class Filter(OwnLayer):
    """Computes a `Filtering`."""

    source = "convolution.cpp"

    def __init__(self, filtering: Filtering, precision: Precision = "fp32") -> None:
        super().__init__(filtering.conv, precision)
        self._of = filtering

    def __call__(self, *parts: Tensor) -> Tensor:
        """Several inputs count as one, channel after channel."""
        parts = tuple(map(flat, parts if len(parts) <= 2 else (torch.cat(parts, 1),)))
        first, second = parts[0], parts[1] if len(parts) > 1 else None
        batch, _, height, width = first.shape
        outputs, norm = self._of.conv.out_channels, self._of.norm
        after = torch.empty((batch, height, width, outputs), dtype=torch.float32)
        # Kept in these names until the kernel returns: it gets bare addresses.
        bias, scale = plain(self._of.conv.bias), plain(norm.scale if norm else None)
        channels = (first.shape[1], second.shape[1] if second is not None else 0)
        check_channels(sum(channels), self._of.conv.in_channels)
        packed, unit = self._weights(outputs, *channels, outputs)
        job = _Job(
            *map(address, (first, second, packed, unit, bias, scale, after)),
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


def check_channels(given: int, wanted: int) -> None:
    """Raises ValueError where the kernel would read beyond its input."""
    if given != wanted:
        raise ValueError(f"{given} channels given to a convolution of {wanted}")


def flat(part: Tensor) -> Tensor:
    """Float32, channels last."""
    return part.to(torch.float32).contiguous(memory_format=torch.channels_last)


def plain(tensor: Tensor | None) -> Tensor | None:
    """Float32, contiguous."""
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Where its first value lies; None for no tensor."""
    return None if tensor is None else tensor.data_ptr()


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
