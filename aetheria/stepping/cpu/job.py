"""Structures that Python fills in for the C++ kernels."""

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import LawError

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


def by_universe(values: float | tuple[float, ...], batch: int, name: str) -> tuple[float, ...]:
    """A number for each universe, of one for all or one for each.

    Raises:
        LawError: they are given for another number of universes.
    """
    if not isinstance(values, tuple):
        return (values,) * batch
    if len(values) != batch:
        raise LawError(f"{name}: {len(values)} numbers given; expected one, or one for each of the {batch} universes")
    return values


def plain(tensor: Tensor | None) -> Tensor | None:
    """The tensor in float32, contiguous. Keep it in a variable until the kernel returns, which gets only its address."""
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Of the first value; None for no tensor."""
    return None if tensor is None else tensor.data_ptr()


class StepBuffers:
    """The grids between which a kernel steps: kept, because glibc finds no room for a new one between freed ones.

    A kernel that takes n steps reads a first grid and writes, by turns, a last one and a spare one.
    """

    def __init__(self) -> None:
        self._grids: list[Tensor] = []

    def around(self, cells: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """The last and the spare grid for `steps` steps from `cells`, which stay as they are."""
        if not any(grid is cells for grid in self._grids):
            self._grids = []  # first, so that their memory is free; results of steps from elsewhere are not overwritten
        others = [grid for grid in self._grids if grid is not cells]
        while len(others) < min(steps, 2):
            others.append(torch.empty_like(cells))
            self._grids.append(others[-1])
        return others[0], others[1] if steps > 1 else cells
