"""The packed plan on the CPU for rules by counts over a neighbourhood of any range: a byte a cell, running sums along rows."""

import ctypes

import torch
from torch import Tensor

from aetheria.laws.forms import CountRule
from aetheria.laws.rules.range_weights import runs_of
from aetheria.laws.topology import around
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu


class Job(ctypes.Structure):
    """As in `neighbour_count.cpp`."""

    _fields_ = fields(
        "cells next spare values even odd births survivals around",
        int64="batch height width steps reach",
        int32="states even_runs odd_runs birth_ranges survival_ranges wide threads",
    )


class NeighbourCountOnCpu(WholeStatesOnCpu[CountRule]):
    """Steps a `CountRule` exactly; the state is the cells' states `(B, H, W)`, uint8."""

    form = CountRule
    source = "neighbour_count.cpp"
    job = Job
    thread_updates = 1_000_000

    def prepare(self, rule: CountRule) -> None:
        height, width = self._shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary, rule.reach))
        self._values = torch.zeros(256, dtype=torch.uint8, device="cpu")
        self._values[: len(rule.values)] = torch.tensor(rule.values, dtype=torch.uint8)
        self._even = _as_tensor(runs_of(rule.weights))
        self._odd = _as_tensor(runs_of(rule.weights[::-1])) if rule.upside_down else None
        self._births, self._survivals = (_as_tensor(ranges) for ranges in (rule.births, rule.survivals))
        self._wide = int(abs(rule.weights).sum()) * max(rule.values) >= 1 << 16

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        tensors = (before, after, spare, self._values, self._even, self._odd, self._births, self._survivals, self._around)
        lengths = (0 if each is None else len(each) for each in (self._even, self._odd, self._births, self._survivals))
        rule = self._rule
        job = Job(
            *map(address, tensors),
            *(*before.shape, steps.number, rule.reach),
            *(rule.states, *lengths, self._wide, steps.threads),
        )
        run(self._kernel.neighbour_count, job)


def _as_tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.int32, device="cpu")
