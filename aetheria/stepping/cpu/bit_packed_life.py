"""The packed plan on the CPU: Life-like rules on words of 64 cells."""

import ctypes
import math

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BitRule
from aetheria.stepping.bit_sliced_life import WORD
from aetheria.stepping.cpu.build import is_cached, native_kernel
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import bit_rule_of, keeps_bit_rule

_SOURCE = "bit_packed_life.cpp"
THREAD_UPDATES = 30_000_000  # cell updates that are worth starting a thread for: about a millisecond


class Job(ctypes.Structure):
    """As in `bit_packed_life.cpp`."""

    _fields_ = fields("cells next spare", int64="batch height width steps", int32="boundary threads")


class PackedOnCpu(Plan):
    """Steps a `BitRule` exactly, several steps in a pass; the state is words `(B, H, ceil(W / 64))`, int64."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `BitRule`.
            cells: `(B, 1, H, W)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = bit_rule_of(law)
        assert isinstance(rule, BitRule)
        self._law, self._rule = law, rule
        self._kernel = native_kernel(_SOURCE, Job, **_counts(rule))
        self._boundary = BOUNDARIES.index(rule.boundary)
        self._shape, self._type = cells.shape, cells.dtype

    def pack(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, height, -(-width // WORD), dtype=torch.int64, device="cpu")
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
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // THREAD_UPDATES))
        job = Job(*map(address, (words, after, spare)), batch, height, width, steps, self._boundary, threads)
        run(self._kernel.bit_packed_life, job)
        return (after,)

    def stale(self) -> bool:
        return not keeps_bit_rule(self._law, self._rule)


def is_built(law: Law) -> bool:
    """Whether the kernel for a law's rule is in the cache of this machine."""
    rule = bit_rule_of(law)
    return isinstance(rule, BitRule) and is_cached(_SOURCE, **_counts(rule))


def _counts(rule: BitRule) -> dict[str, int]:
    """Macros of the kernel: bit n is set if a cell with n live neighbours is born, or survives."""
    birth, survival = (sum(1 << n for n in range(9) if rule.table[first + n]) for first in (0, 9))
    return {"BIRTH": birth, "SURVIVAL": survival}


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
