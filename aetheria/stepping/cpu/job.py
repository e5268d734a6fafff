"""Structures that Python fills in for the C++ kernels."""

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

THREAD_PRODUCTS = 4_000_000  # multiplications that are worth starting a thread for


def fields(pointers: str = "", int64: str = "", int32: str = "", float32: str = "") -> list[tuple[str, Any]]:
    """The `_fields_` of a structure, from names separated by spaces: the widest first, as in the kernels."""
    kinds = ((pointers, ctypes.c_void_p), (int64, ctypes.c_int64), (int32, ctypes.c_int32), (float32, ctypes.c_float))
    return [(name, kind) for names, kind in kinds for name in names.split()]


def run(kernel: Callable[..., int], job: ctypes.Structure) -> None:
    """Calls a kernel.

    Raises:
        MemoryError: it cannot allocate its buffers.
    """
    if kernel(ctypes.byref(job)):
        raise MemoryError("the buffers of a kernel")


def threads_for(products: int) -> int:
    """As many threads as torch uses, but none with less work than its start takes."""
    return max(1, min(torch.get_num_threads(), products // THREAD_PRODUCTS))


def plain(tensor: Tensor | None) -> Tensor | None:
    """The tensor in float32, contiguous. Keep it in a variable until the kernel returns, which gets only its address."""
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Of the first value; None for no tensor."""
    return None if tensor is None else tensor.data_ptr()
