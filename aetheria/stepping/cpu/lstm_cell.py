"""An LSTM cell on the CPU."""

import ctypes

import torch
from torch import Tensor

from aetheria.core.cpu_threads import threads_outside
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import address, fields
from aetheria.stepping.cpu.kernel_layer import INT16_PRODUCTS, flat, stored_dtype


class Job(ctypes.Structure):
    """As in `lstm_cell.cpp`."""

    _fields_ = fields("gates memory hidden next_memory", int64="cells", int32="width threads")


def lstm_cell(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Computes `aetheria.laws.layers.Gated` in float32, channels last; `gates` may be bfloat16.

    Raises:
        ValueError: `gates` has not four times the channels of `memory`.
        NativeKernelError: no C++ compiler.
    """
    batch, width, height, length = memory.shape
    if gates.shape != (batch, 4 * width, height, length):
        raise ValueError(f"gates {tuple(gates.shape)} given for memory {tuple(memory.shape)}; expected four times its channels")
    library = native_kernel("lstm_cell.cpp", Job, **(INT16_PRODUCTS if gates.dtype == torch.bfloat16 else {}))
    gates, memory = flat(gates, stored_dtype(library)), flat(memory)
    hidden, after = (torch.empty((batch, height, length, width), dtype=torch.float32) for _ in range(2))
    job = Job(*map(address, (gates, memory, hidden, after)), batch * height * length, width, threads_outside())
    library.lstm_cell(ctypes.byref(job))
    return hidden.permute(0, 3, 1, 2), after.permute(0, 3, 1, 2)
