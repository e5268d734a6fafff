"""The packed plan on the CPU for rules on shifting blocks of 2x2 cells, of any number of states and tables: a byte a cell."""

import ctypes

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import ShiftingRule
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu


class Job(ctypes.Structure):
    """As in `block_bytes.cpp`."""

    _fields_ = fields(
        "cells next spare blocks seeds numbers",
        int64="batch height width steps first",
        int32="states tables boundary threads",
    )


class BlockBytesOnCpu(WholeStatesOnCpu[ShiftingRule]):
    """Steps a `ShiftingRule` exactly; the state is the cells' states `(B, H, W)`, uint8, and the law's memory."""

    form = ShiftingRule
    source = "block_bytes.cpp"
    job = Job
    thread_updates = 500_000

    def prepare(self, rule: ShiftingRule) -> None:
        numbers = np.frombuffer(rule.tables, np.int32)
        self._tables = len(numbers) // rule.states**4
        cells = [numbers // rule.states**power % rule.states for power in (3, 2, 1, 0)]
        self._blocks = torch.from_numpy(np.stack(cells, 1).astype(np.uint8))

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        memory = steps.memory or (torch.zeros(len(before), 2, dtype=torch.int64), torch.zeros(len(before), dtype=torch.int64))
        seeds, numbers = (tensor.contiguous() for tensor in memory)
        job = Job(
            *map(address, (before, after, spare, self._blocks, seeds, numbers)),
            *(*before.shape, steps.number, steps.first),
            *(self._rule.states, self._tables, BOUNDARIES.index(self._rule.boundary), steps.threads),
        )
        run(self._kernel.block_bytes, job)
