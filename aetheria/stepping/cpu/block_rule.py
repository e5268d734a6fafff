"""The packed plan on the CPU for rules on the 3x3 block: bits of the states in planes of words of 64 cells."""

import ctypes

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.forms import BlockRule
from aetheria.laws.topology import around
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.state_planes import StatePlanesOnCpu, planes_of
from aetheria.stepping.cpu.whole_states import Steps


class Job(ctypes.Structure):
    """As in `block_rule.cpp`."""

    _fields_ = fields("cells next spare table around", int64="batch planes height width steps", int32="states threads")


class BlockRuleOnCpu(StatePlanesOnCpu[BlockRule]):
    """Steps a `BlockRule` exactly; the state is bits in planes."""

    form = BlockRule
    source = "block_rule.cpp"
    job = Job
    thread_updates = 4_000_000

    def prepare(self, rule: BlockRule) -> None:
        self._table = torch.from_numpy(kernel_table(rule.table))
        height, width = self._shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary))

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        batch, _, height, width = self._shape
        tensors = map(address, (before, after, spare, self._table, self._around))
        job = Job(*tensors, batch, planes_of(self._rule), height, width, steps.number, self._rule.states, steps.threads)
        run(self._kernel.block_rule, job)


def kernel_table(table: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A table of 512 bits in the kernel's order: 64 bytes, uint8; see `block_table.h`."""
    mirrored = [int(f"{row:03b}"[::-1], 2) for row in range(8)]  # there the west is the lowest bit
    bytes_ = [
        sum((table >> (mirrored[north] << 6 | mirrored[middle] << 3 | mirrored[south]) & 1) << south for south in range(8))
        for north in range(8)
        for middle in range(8)
    ]
    return np.array(bytes_, np.uint8)
