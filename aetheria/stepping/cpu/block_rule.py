"""The packed plan on the CPU for rules on the 3x3 block: bits of the states in planes of words of 64 cells."""

import ctypes
import math

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.forms import BlockRule
from aetheria.laws.topology import around
from aetheria.stepping.bit_sliced_life import WORD
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import block_rule_of, keeps_block_rule

THREAD_UPDATES = 4_000_000  # cell updates that are worth starting a thread for


class Job(ctypes.Structure):
    """As in `block_rule.cpp`."""

    _fields_ = fields("cells next spare table around", int64="batch planes height width steps", int32="states threads")


class BlockRuleOnCpu(Plan):
    """Steps a `BlockRule` exactly; the state is words `(B, planes, H, ceil(W / 64))`, int64."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `BlockRule`.
            cells: `(B, 1, H, W)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = block_rule_of(law)
        assert isinstance(rule, BlockRule)
        self._law, self._rule = law, rule
        self._kernel = native_kernel("block_rule.cpp", Job)
        self._planes = (rule.states - 1).bit_length()
        self._shape, self._type = cells.shape, cells.dtype
        self._table = torch.from_numpy(kernel_table(rule.table))
        height, width = cells.shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary))

    def pack(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, self._planes, height, -(-width // WORD), dtype=torch.int64, device="cpu")
        for universe, packed in zip(cells, words, strict=True):
            self._kernel.pack(*_pointers(universe, packed), *map(ctypes.c_int64, (self._planes, height, width)))
        return (words,)

    def unpack(self, held: State) -> State:
        _, _, height, width = self._shape
        cells = torch.empty(self._shape, dtype=torch.float32, device="cpu")
        for packed, universe in zip(held[0], cells, strict=True):
            self._kernel.unpack(*_pointers(packed, universe), *map(ctypes.c_int64, (self._planes, height, width)))
        return (cells.to(self._type),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        batch, _, height, width = self._shape
        words = held[0]
        after, spare = torch.empty_like(words), torch.empty_like(words)
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // THREAD_UPDATES))
        pointers = map(address, (words, after, spare, self._table, self._around))
        job = Job(*pointers, batch, self._planes, height, width, steps, self._rule.states, threads)
        run(self._kernel.block_rule, job)
        return (after,)

    def stale(self) -> bool:
        return not keeps_block_rule(self._law, self._rule)


def kernel_table(table: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A table of 512 bits in the kernel's order: 64 bytes, uint8; see `block_table.h`."""
    mirrored = [int(f"{row:03b}"[::-1], 2) for row in range(8)]  # there the west is the lowest bit
    bytes_ = [
        sum((table >> (mirrored[north] << 6 | mirrored[middle] << 3 | mirrored[south]) & 1) << south for south in range(8))
        for north in range(8)
        for middle in range(8)
    ]
    return np.array(bytes_, np.uint8)


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
