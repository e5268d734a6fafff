"""The packed plan on the CPU for rows: elementary rules, up to 64 steps of a block in the cache."""

import ctypes
import math

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import RowRule
from aetheria.stepping.cpu.build import compiler, is_cached, native_kernel
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.packed_row import PackedRow
from aetheria.stepping.plan import State
from aetheria.stepping.unmodified import why_no

_SOURCE = "packed_row.cpp"
_THREAD_UPDATES = 50_000_000  # that are worth starting a thread for: about a millisecond


class Job(ctypes.Structure):
    """As in `packed_row.cpp`."""

    _fields_ = fields("cells next spare", int64="batch width steps", int32="table boundary threads")


class PackedRowOnCpu(PackedRow):
    """Steps a `RowRule` exactly, the state as in `PackedRow`."""

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `RowRule`.
            cells: `(B, 1, W)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        super().__init__(law, cells)
        self._kernel = native_kernel(_SOURCE, Job).packed_row
        self._table = sum(outcome << cells for cells, outcome in enumerate(self._rule.table))

    @staticmethod
    def why_not(law: Law) -> str:
        """Why the kernel cannot step a law, for people; empty if it can."""
        return why_no(law, RowRule) or ("" if compiler() else "there is no C++ compiler")

    @staticmethod
    def is_built() -> bool:
        """Whether the kernel is in the cache of this machine."""
        return is_cached(_SOURCE)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        before, updates = held[0].contiguous(), steps * math.prod(self._shape)
        after = torch.empty_like(before)
        spare = torch.empty_like(before)
        threads = max(1, min(torch.get_num_threads(), updates // _THREAD_UPDATES))
        boundary = BOUNDARIES.index(self._rule.boundary)
        sizes = (len(before), self._shape[-1], steps)
        run(self._kernel, Job(*map(address, (before, after, spare)), *sizes, self._table, boundary, threads))
        return (after,)
