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


class StepBuffers:
    """The two grids between which a kernel steps: kept, because glibc finds no room for a new one between freed ones.

    A kernel that takes n steps reads a first grid and writes, by turns, a last one and a spare one.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._other: Tensor | None = None

    def around(self, cells: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """The last and the spare grid for `steps` steps from `cells`, which may be one of them if the last call led there."""
        if cells is not self._last:  # given by others, who may read them again
            self._last = self._other = None  # first, so that their memory is free
            self._last, self._other = torch.empty_like(cells), torch.empty_like(cells) if steps > 1 else None
            return self._last, cells if self._other is None else self._other
        other = torch.empty_like(cells) if self._other is None else self._other
        # After an even number of steps the last grid is the first one again.
        self._last, self._other = (other, cells) if steps % 2 else (cells, other)
        return self._last, self._other
