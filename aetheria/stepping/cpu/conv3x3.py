"""A 3x3 convolution by minimal filtering on the CPU, with the norm and the activation that follow it, in C++."""

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import torch
from torch import Tensor, nn

from aetheria.core.cpu_threads import threads_outside
from aetheria.core.precision import Precision
from aetheria.laws.checks import Boundary
from aetheria.laws.layers import ChannelNorm, Conv
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.upsample2x import LazyUpsampled, composed, whole

if TYPE_CHECKING:
    from aetheria.stepping.cpu.conv1x1 import PointwiseKernel

_BOUNDARIES = get_args(Boundary)  # numbered as in the kernel, like the next
_ACTIVATIONS = ("none", "elu", "relu")
_PADDINGS: dict[str, Boundary] = {"circular": "periodic", "zeros": "zero", "reflect": "reflect"}
# Narrower ones are bound by the transforms, and no faster than as they are written.
LEAST_CHANNELS = 16


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("first", "second", "weight", "unit", "bias", "scale", "more", "next")),
        *((name, ctypes.c_int64) for name in ("batch", "height", "width")),
        *((name, ctypes.c_int32) for name in ("firsts", "seconds", "outputs", "boundary", "activation", "threads")),
        ("eps", ctypes.c_float),
    )


@dataclass(frozen=True)
class Conv3x3:
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


def filtering_of(module: nn.Module) -> Conv3x3 | None:
    """`module` for the kernel; None if it is not a 3x3 convolution that keeps the grid's size, between enough channels."""
    if not (as_written(module, Conv) or as_written(module, nn.Conv2d)):
        return None
    assert isinstance(module, nn.Conv2d)
    padded = ((0, 0), "valid") if isinstance(module, Conv) else ((1, 1), "same")
    square = (module.kernel_size, module.stride, module.dilation, module.groups) == ((3, 3), (1, 1), (1, 1), 1)
    boundary = module.boundary if isinstance(module, Conv) else _PADDINGS.get(module.padding_mode)
    if not (square and boundary and module.padding in padded and suits(module, (module.out_channels, module.in_channels))):
        return None
    return Conv3x3(module, boundary)


class KernelLayer:
    """A convolution of torch's that a kernel of ours computes. `refresh` packs its weights anew where they were edited."""

    source = ""  # of the kernel

    def __init__(self, conv: nn.Module, precision: Precision = "fp32", **defines: int) -> None:
        """
        Args:
            defines: macros that the kernel is compiled with.
            precision: "fp32"; or "bf16", for products of integers of 16 bits where the processor has them (VNNI), which are
                as fast as those of bfloat16 and keep more digits.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._conv = conv
        self._library = native_kernel(self.source, **defines, **({"SHORT": 1} if precision == "bf16" else {}))
        self._library.packed_size.restype = self._library.units.restype = ctypes.c_int64
        self.stored = stored_in(self._library)
        self._seen: Tensor | None = None  # the weights that `_packed` was made from
        self._packed: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}  # with their units; by the sizes they were packed for

    def refresh(self) -> None:
        """Takes over weights that were edited."""
        weight, seen = self._conv.get_parameter("weight").detach(), self._seen
        # By value: an edit through `.data` leaves no trace, and to compare is a percent of a step. As they lie: a law in a
        # motor is channels last, and to bring its weights into order takes longer than to compare them.
        if seen is None or not self._lie_alike(weight, seen):
            self._seen = weight.clone()
            self._packed.clear()

    def _lie_alike(self, one: Tensor, other: Tensor) -> bool:
        """Whether they hold the same bits in the same places."""
        if one.stride() != other.stride():
            return False
        return bool(self._library.same(_pointer(one), _pointer(other), ctypes.c_int64(other.numel())))

    @property
    def seen(self) -> Tensor:
        """The weights as they were when they were last looked at; another tensor once they are others."""
        if self._seen is None:
            self.refresh()
        assert self._seen is not None
        return self._seen

    def _weights(self, *sizes: int) -> tuple[Tensor, Tensor]:
        """The weights as the kernel reads them, and their units."""
        if sizes not in self._packed:
            weight = self._arranged(self.seen, *sizes).contiguous()
            packed = torch.empty(self._library.packed_size(*sizes), dtype=torch.uint8)
            unit = torch.empty(self._library.units(*sizes), dtype=torch.float32)
            self._library.pack(_pointer(weight), *sizes, _pointer(packed), _pointer(unit))
            self._packed[sizes] = packed, unit
        return self._packed[sizes]

    def _arranged(self, weight: Tensor, *sizes: int) -> Tensor:
        """The weights that the kernel packs for inputs and outputs of these sizes, in its order."""
        return weight

    def __call__(self, *parts: Tensor) -> Tensor:
        """The next values `(B, outputs, H, W)`, float32, channels last."""
        raise NotImplementedError


class _Convolution(KernelLayer):
    """What runs the kernel."""

    source = "convolution.cpp"

    def _run(
        self, parts: tuple[Tensor, ...], after: Tensor, of: "Conv3x3", more: Tensor | None = None, bias: Tensor | None = None
    ) -> None:
        """Writes `after`, `(B, H, W, outputs)`: of one or two parts, the channels of the second after those of the first."""
        scale = plain(of.norm.scale if of.norm else None)  # in a name of its own until the kernel returns
        batch, _, height, width = parts[0].shape
        first, second = (parts[0], None) if len(parts) == 1 else parts
        channels, outputs = (first.shape[1], 0 if second is None else second.shape[1]), of.conv.out_channels
        packed, unit = self._weights(*channels, outputs)
        job = _Job(
            *map(address, (first, second, packed, unit, bias, scale, more, after)),
            *(batch, height, width),
            *channels,
            outputs,
            _BOUNDARIES.index(of.boundary),
            _ACTIVATIONS.index(of.activation),
            threads_outside(),
            of.norm.eps if of.norm else 0.0,
        )
        if self._library.convolution(ctypes.byref(job)):
            raise MemoryError("the convolution's buffers")


class Conv3x3Kernel(_Convolution):
    """Computes a `Conv3x3`."""

    def __init__(self, filtering: Conv3x3, precision: Precision = "fp32") -> None:
        super().__init__(filtering.conv, precision)
        self._of, self._precision = filtering, precision
        self._doublings: dict[KernelLayer, _Doubling] = {}  # by what doubled what came

    def __call__(self, *parts: Tensor) -> Tensor:
        """Several inputs count as one, channel after channel."""
        conv = self._of.conv
        check_channels(sum(part.shape[1] for part in parts), conv.in_channels)
        more, first = None, parts[0]
        if len(parts) > 1 and isinstance(first, LazyUpsampled) and self._better_at_once(first):
            if first.by not in self._doublings:
                self._doublings[first.by] = _Doubling(self._of, self, first.by, self._precision)
            more, parts = self._doublings[first.by].sums(first.cells), parts[1:]
        parts = tuple(flat(part, self.stored) for part in (parts if len(parts) <= 2 else (torch.cat(parts, 1),)))
        batch, _, height, width = parts[0].shape
        after = torch.empty((batch, height, width, conv.out_channels), dtype=self.stored)
        self._run(parts, after, self._of, more, plain(conv.bias))
        return after.permute(0, 3, 1, 2)

    def _better_at_once(self, doubled: LazyUpsampled) -> bool:
        """Whether one convolution of the cells that were doubled multiplies less than doubling them first."""
        channels, middle, outputs = doubled.cells.shape[1], doubled.shape[1], self._of.conv.out_channels
        # Beyond other boundaries lies what no cell was doubled to.
        return self._of.boundary == "periodic" and 25 * channels * outputs < 16 * channels * middle + 36 * middle * outputs

    def _arranged(self, weight: Tensor, *sizes: int) -> Tensor:
        first, second, _ = sizes  # the channels that are left when those before them come doubled
        return weight[:, weight.shape[1] - first - second :]


class _Doubling(_Convolution):
    """A transposed 2x2 convolution, and a 3x3 one of what it makes, as one; periodic."""

    def __init__(self, of: Conv3x3, then: KernelLayer, by: "PointwiseKernel", precision: Precision) -> None:
        super().__init__(of.conv, precision, DOUBLED=1)
        self._of, self._by, self._then = Conv3x3(of.conv, of.boundary), by, then
        self._weights_of: tuple[Tensor, ...] = ()
        self._reach = torch.empty(0)  # of one in each channel between the two: (outputs, channels)

    def sums(self, cells: Tensor) -> Tensor:
        """`(B, 2H, 2W, outputs)`, without the bias of the second."""
        batch, _, height, width = cells.shape
        self._compose()
        bias = None if self._by.conv.bias is None else (self._reach * self._by.conv.bias.detach()).sum(1)
        after = torch.empty((batch, 2 * height, 2 * width, self._of.conv.out_channels), dtype=self.stored)
        self._run((cells,), after, self._of, bias=bias)
        return after

    def _compose(self) -> None:
        """Takes over the weights of both, where they are others."""
        weights = self._by.seen, self._then.seen
        if not self._weights_of or any(now is not then for now, then in zip(weights, self._weights_of, strict=True)):
            first, second = weights[0], weights[1][:, : weights[0].shape[1]]
            self._seen, self._weights_of, self._reach = composed(first, second), weights, second.sum((2, 3))
            self._packed.clear()


def check_channels(given: int, wanted: int) -> None:
    """Raises ValueError where the kernel would read beyond its input."""
    if given != wanted:
        raise ValueError(f"{given} channels given to a convolution of {wanted}")


def stored_in(library: ctypes.CDLL) -> torch.dtype:
    """What values between layers are in, for this kernel."""
    return torch.bfloat16 if library.stored_bytes() == 2 else torch.float32


def flat(part: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Made, of this type, channels last."""
    return whole(part).to(dtype).contiguous(memory_format=torch.channels_last)


def plain(tensor: Tensor | None) -> Tensor | None:
    """Float32, contiguous."""
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Where its first value lies; None for no tensor."""
    return None if tensor is None else tensor.data_ptr()


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
