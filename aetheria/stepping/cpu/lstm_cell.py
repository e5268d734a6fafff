"""The cell of an LSTM on the CPU in C++."""

import ctypes

import torch
from torch import Tensor

from aetheria.core.cpu_threads import threads_outside
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.conv3x3 import address, flat, stored_in


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("gates", "memory", "hidden", "next")),
        ("cells", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("width", "threads")),
    )


def gated(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """What `aetheria.laws.layers.Gated` computes, in float32, channels last; `gates` may be bfloat16.

    Raises:
        ValueError: `gates` has not four times the channels of `memory`.
        NativeKernelError: no C++ compiler.
    """
    batch, width, height, length = memory.shape
    if gates.shape != (batch, 4 * width, height, length):
        raise ValueError(
            f"gates {tuple(gates.shape)} given for memory {tuple(memory.shape)}; four times its channels are wanted"
        )
    library = native_kernel("gating.cpp", **({"SHORT": 1} if gates.dtype == torch.bfloat16 else {}))
    gates, memory = flat(gates, stored_in(library)), flat(memory)
    hidden, after = (torch.empty((batch, height, length, width), dtype=torch.float32) for _ in range(2))
    job = _Job(*map(address, (gates, memory, hidden, after)), batch * height * length, width, threads_outside())
    library.gating(ctypes.byref(job))
    return hidden.permute(0, 3, 1, 2), after.permute(0, 3, 1, 2)
