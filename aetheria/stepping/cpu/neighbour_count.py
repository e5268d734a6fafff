"""The packed plan on the CPU for rules by counts over a neighbourhood of any range: a byte a cell, running sums along rows."""

import ctypes
import math

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.forms import CountRule
from aetheria.laws.rules.neighbourhoods import runs_of
from aetheria.laws.topology import around
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import count_rule_of, keeps_count_rule

THREAD_UPDATES = 1_000_000  # cell updates that are worth starting a thread for


class Job(ctypes.Structure):
    """As in `neighbour_count.cpp`."""

    _fields_ = fields(
        "cells next spare values even odd births survivals around",
        int64="batch height width steps reach",
        int32="states even_runs odd_runs birth_ranges survival_ranges square wide threads",
    )


class NeighbourCountOnCpu(Plan):
    """Steps a `CountRule` exactly; the state is the cells' states `(B, H, W)`, uint8."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `CountRule`.
            cells: `(B, 1, H, W)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = count_rule_of(law)
        assert isinstance(rule, CountRule)
        self._law, self._rule = law, rule
        self._kernel = native_kernel("neighbour_count.cpp", Job)
        self._shape, self._type = cells.shape, cells.dtype
        height, width = cells.shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary, rule.reach))
        self._values = torch.zeros(256, dtype=torch.uint8, device="cpu")
        self._values[: len(rule.values)] = torch.tensor(rule.values, dtype=torch.uint8)
        self._even = _as_tensor(runs_of(rule.weights))
        self._odd = _as_tensor(runs_of(rule.weights[::-1])) if rule.upside_down else None
        self._births, self._survivals = (_as_tensor(ranges) for ranges in (rule.births, rule.survivals))
        self._square = _is_square(rule)
        self._wide = int(abs(rule.weights).sum()) * max(rule.values) >= 1 << 16

    def pack(self, state: State) -> State:
        return ((state[0][:, 0] + 0.5).to(torch.uint8),)

    def unpack(self, held: State) -> State:
        return (held[0][:, None].to(self._type),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        batch, _, height, width = self._shape
        cells = held[0].contiguous()
        after, spare = torch.empty_like(cells), torch.empty_like(cells)
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // THREAD_UPDATES))
        tensors = (cells, after, spare, self._values, self._even, self._odd, self._births, self._survivals, self._around)
        lengths = (0 if each is None else len(each) for each in (self._even, self._odd, self._births, self._survivals))
        job = Job(
            *map(address, tensors),
            *(batch, height, width, steps, self._rule.reach),
            *(self._rule.states, *lengths, self._square, self._wide, threads),
        )
        run(self._kernel.neighbour_count, job)
        return (after,)

    def stale(self) -> bool:
        return not keeps_count_rule(self._law, self._rule)


def _is_square(rule: CountRule) -> bool:
    weights, middle = rule.weights, rule.reach
    return bool(weights[middle, middle] == 0 and np.count_nonzero(weights == 1) == weights.size - 1)


def _as_tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.int32, device="cpu")
