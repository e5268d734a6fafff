"""Layers of a law that a C++ kernel computes, and the conditions for that."""

import ctypes

import torch
from torch import Tensor, nn

from aetheria.core.precision import Precision
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.upsample2x import materialised

# With fewer channels the transforms take most of the time, and the kernel is no faster than torch.
LEAST_CHANNELS = 16
# The macro for products of 16-bit integers, where the processor has them (VNNI).
INT16_PRODUCTS = {"INT16_PRODUCTS": 1}


class KernelLayer:
    """A convolution computed by a C++ kernel. `refresh` packs its weights again if they were edited.

    Attributes:
        source: file of the kernel.
        job: the structure that it is called with.
        stored: type of the values between layers.
    """

    source: str
    job: type[ctypes.Structure]

    def __init__(self, conv: nn.Module, precision: Precision = "fp32", **defines: int) -> None:
        """
        Args:
            precision: "fp32"; or "bf16", for products of 16-bit integers where the processor has them (VNNI): as fast as
                those of bfloat16, with more digits.
            defines: macros that the kernel is compiled with.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._conv = conv
        self._library = native_kernel(self.source, self.job, **defines, **(INT16_PRODUCTS if precision == "bf16" else {}))
        self.stored = stored_dtype(self._library)
        self._weight: Tensor | None = None  # the weights that `_packed` was made from
        self._packed: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}  # packed weights and their units, by sizes

    def refresh(self) -> None:
        """Takes over edited weights."""
        weight, last = self._conv.get_parameter("weight").detach(), self._weight
        # Compared by value, which takes a percent of a step: an edit through `.data` leaves no trace. In memory order, because
        # the weights of a law in a motor are channels last, and to reorder them takes longer than to compare them.
        if last is None or not self._same_bits(weight, last):
            self._weight = weight.clone()
            self._packed.clear()

    def _same_bits(self, one: Tensor, other: Tensor) -> bool:
        """Whether they hold the same bits in the same memory order."""
        if one.stride() != other.stride():
            return False
        return bool(self._library.same_bits(_pointer(one), _pointer(other), ctypes.c_int64(other.numel())))

    @property
    def weight(self) -> Tensor:
        """The weights at the last `refresh`; another tensor if they were edited since the one before."""
        if self._weight is None:
            self.refresh()
        assert self._weight is not None
        return self._weight

    def _packed_weights(self, *sizes: int) -> tuple[Tensor, Tensor]:
        """The weights in the kernel's order and precision, and their units."""
        if sizes not in self._packed:
            weight = self._arranged(self.weight, *sizes).contiguous()
            packed = torch.empty(self._library.packed_size(*sizes), dtype=torch.uint8)
            unit = torch.empty(self._library.units(*sizes), dtype=torch.float32)
            self._library.pack(_pointer(weight), *sizes, _pointer(packed), _pointer(unit))
            self._packed[sizes] = packed, unit
        return self._packed[sizes]

    def _arranged(self, weight: Tensor, *sizes: int) -> Tensor:
        """The weights for inputs and outputs of these sizes, in the order that the kernel packs."""
        return weight

    def __call__(self, *parts: Tensor) -> Tensor:
        """The next values `(B, outputs, H, W)`, float32, channels last."""
        raise NotImplementedError


def as_written(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether it computes what `kind` defines: no subclass, no replaced method, no hooks."""
    return type(module) is kind and "forward" not in vars(module) and not (module._forward_hooks or module._forward_pre_hooks)


def suits(conv: nn.Conv2d | nn.ConvTranspose2d, channels: tuple[int, int]) -> bool:
    """Whether a kernel can read its weights: float32, of the shapes that the module states, with enough channels."""
    weight, bias = conv.weight, conv.bias
    whole = weight.shape == (*channels, *conv.kernel_size) and (bias is None or bias.shape == (conv.out_channels,))
    return whole and weight.dtype == torch.float32 and weight.device.type == "cpu" and min(channels) >= LEAST_CHANNELS


def check_channels(given: int, wanted: int) -> None:
    """Raises ValueError where the kernel would read beyond its input."""
    if given != wanted:
        raise ValueError(f"{given} channels given to a convolution of {wanted}")


def stored_dtype(library: ctypes.CDLL) -> torch.dtype:
    """The type of values between layers: bfloat16 if the kernel multiplies in 16 bits, else float32."""
    return torch.bfloat16 if library.stored_bytes() == 2 else torch.float32


def flat(part: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The values in memory, of this type, channels last."""
    return materialised(part).to(dtype).contiguous(memory_format=torch.channels_last)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
