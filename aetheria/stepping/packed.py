"""The packed plan: Life-like rules on 64 cells a word."""

import ctypes
import math

import torch
from torch import Tensor

from aetheria.laws.life import Life
from aetheria.stepping.native import native_kernel
from aetheria.stepping.plan import Plan, PlanUnavailable, State

_BOUNDARIES = ("periodic", "zero", "reflect")  # numbered as in the kernel
_WORD = 64
THREAD_UPDATES = 30_000_000  # cell updates that a thread is started for: about a millisecond


class PackedOnCpu(Plan):
    """Steps `Life` exactly, several steps a pass; cells are held as words `(B, H, ceil(W / 64))`, int64."""

    name = "packed"

    def __init__(self, law: Life, cells: Tensor) -> None:
        """
        Args:
            cells: `(B, 1, H, W)`, for their shape and type.

        Raises:
            PlanUnavailable: the law's table was edited, and is no rule. NativeKernelError: no C++ compiler.
        """
        self._law, self._table = law, _table(law)
        if not set(self._table) <= {0.0, 1.0}:
            raise PlanUnavailable("its table holds more than 0 and 1")
        birth, survival = (sum(1 << n for n in range(9) if self._table[first + n]) for first in (0, 9))
        self._kernel = native_kernel("life.cpp", BIRTH=birth, SURVIVAL=survival)
        self._boundary = _BOUNDARIES.index(law.boundary)
        self._shape, self._type = cells.shape, cells.dtype

    def hold(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, height, -(-width // _WORD), dtype=torch.int64)
        self._kernel.pack(*_pointers(cells, words), *map(ctypes.c_int64, (batch * height, width)))
        return (words,)

    def show(self, held: State) -> State:
        batch, _, height, width = self._shape
        cells = torch.empty(self._shape)
        self._kernel.unpack(*_pointers(held[0], cells), *map(ctypes.c_int64, (batch * height, width)))
        return (cells.to(self._type),)

    def advance(self, held: State, steps: int) -> State:
        batch, _, height, width = self._shape
        words = held[0]
        after, spare = torch.empty_like(words), torch.empty_like(words)
        sizes = map(ctypes.c_int64, (batch, height, width, steps))
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // THREAD_UPDATES))
        settings = map(ctypes.c_int32, (self._boundary, threads))
        self._kernel.life(*_pointers(words, after, spare), *sizes, *settings)
        return (after,)

    def stale(self) -> bool:
        return _table(self._law) != self._table


def _table(law: Life) -> list[float]:
    return law.get_buffer("table").tolist()


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
