"""The packed plan on the CPU: Life-like rules on 64 cells a word."""

import ctypes
import math

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BitRule
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.gpu import bit_sliced_life
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import bit_rule_of

THREAD_UPDATES = 30_000_000  # cell updates that a thread is started for: about a millisecond


def why_not(law: Law) -> str:
    """Why words of 64 cells cannot step `law`, for people; empty if they can."""
    rule = bit_rule_of(law)
    return rule if isinstance(rule, str) else ""


class PackedOnCpu(Plan):
    """Steps `Life` exactly, several steps a pass; cells are held as words `(B, H, ceil(W / 64))`, int64."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            cells: `(B, 1, H, W)`, for their shape and type.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law, self._rule = law, rule_of(law)
        birth, survival = (sum(1 << n for n in range(9) if self._rule.table[first + n]) for first in (0, 9))
        self._kernel = native_kernel("life.cpp", BIRTH=birth, SURVIVAL=survival)
        self._boundary = BOUNDARIES.index(self._rule.boundary)
        self._shape, self._type = cells.shape, cells.dtype

    def pack(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, height, -(-width // bit_sliced_life.WORD), dtype=torch.int64, device="cpu")
        self._kernel.pack(*_pointers(cells, words), *map(ctypes.c_int64, (batch * height, width)))
        return (words,)

    def unpack(self, held: State) -> State:
        batch, _, height, width = self._shape
        cells = torch.empty(self._shape, dtype=torch.float32, device="cpu")
        self._kernel.unpack(*_pointers(held[0], cells), *map(ctypes.c_int64, (batch * height, width)))
        return (cells.to(self._type),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        batch, _, height, width = self._shape
        words = held[0]
        after, spare = torch.empty_like(words), torch.empty_like(words)
        sizes = map(ctypes.c_int64, (batch, height, width, steps))
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // THREAD_UPDATES))
        settings = map(ctypes.c_int32, (self._boundary, threads))
        if self._kernel.life(*_pointers(words, after, spare), *sizes, *settings):
            raise MemoryError("the packed kernel's strips")
        return (after,)

    def stale(self) -> bool:
        return self._rule != bit_rule_of(self._law)


def rule_of(law: Law) -> BitRule:
    """The law's rule, for a law of which `why_not` says nothing."""
    rule = bit_rule_of(law)
    assert isinstance(rule, BitRule)
    return rule


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
