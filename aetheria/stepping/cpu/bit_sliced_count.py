"""The packed plan on the CPU for rules by the number of live cells in a neighbourhood of any range: counts in binary digits."""

import ctypes
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.laws.forms import CountRule
from aetheria.laws.topology import around
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.state_planes import StatePlanesOnCpu, planes_of
from aetheria.stepping.cpu.whole_states import Steps


class Job(ctypes.Structure):
    """As in `bit_sliced_count.cpp`."""

    _fields_ = fields(
        "cells next spare windows enters leaves ranges around",
        int64="batch height width steps reach",
        int32="states window_count enter_count leave_count range_count torus threads",
    )


class Edges(NamedTuple):
    """What a neighbourhood gains and loses when it moves down by a row.

    Attributes:
        windows: (first, length) of cells side by side, counted from the left side of the neighbourhood.
        enters, leaves: (number of a window, row below the middle cell).
        number: the most cells that enter, or leave.
    """

    windows: list[tuple[int, int]]
    enters: list[tuple[int, int]]
    leaves: list[tuple[int, int]]
    number: int


class BitSlicedCountOnCpu(StatePlanesOnCpu[CountRule]):
    """Steps a `CountRule` of live cells exactly, 64 cells in a word; the state is bits in planes."""

    form = CountRule
    source = "bit_sliced_count.cpp"
    job = Job
    thread_updates = 4_000_000

    @classmethod
    def unfit(cls, rule: CountRule) -> str:
        if rule.upside_down:
            return "its neighbourhood is another one for every second cell"
        if not set(np.unique(rule.weights)) <= {0, 1} or any(value != (state == 1) for state, value in enumerate(rule.values)):
            return "it counts more than the live cells in a neighbourhood"
        return ""

    @staticmethod
    def macros(rule: CountRule) -> dict[str, int]:
        bits = (_with_middle(rule).sum() + 1, edges_of(_with_middle(rule)).number)
        return {"STATE_BITS": planes_of(rule), "COUNT_BITS": int(bits[0]).bit_length(), "EDGE_BITS": bits[1].bit_length()}

    def prepare(self, rule: CountRule) -> None:
        height, width = self._shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary, rule.reach))
        weights = _with_middle(rule)
        edges = edges_of(weights)
        self._parts = [_as_tensor(part) for part in (edges.windows, edges.enters, edges.leaves)]
        self._ranges = _as_tensor(_ranges(rule, int(weights.sum())))
        self._torus = rule.boundary == "periodic" and width >= rule.reach

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        lists = (*self._parts, self._ranges)
        job = Job(
            *map(address, (before, after, spare, *lists, self._around)),
            *(len(before), *self._shape[-2:], steps.number, self._rule.reach),
            *(self._rule.states, *map(len, lists), self._torus, steps.threads),
        )
        run(self._kernel.bit_sliced_count, job)


def edges_of(weights: NDArray[np.int64]) -> Edges:
    """The cells that a neighbourhood `(2 reach + 1, 2 reach + 1)` of weights 0 and 1 gains and loses."""
    reach = len(weights) // 2
    change = np.diff(np.pad(weights, ((1, 1), (0, 0))), axis=0)  # 1 at upper ends, -1 below lower ends
    enters, leaves = (_runs(change == sign, down) for sign, down in ((-1, -reach - 1), (1, -reach - 1)))
    windows = sorted({window for window, _ in enters + leaves})
    parts = [[(windows.index(window), down) for window, down in each] for each in (enters, leaves)]
    return Edges(windows, parts[0], parts[1], sum(length for (_, length), _ in enters))


def _runs(places: NDArray[np.bool_], first_row: int) -> list[tuple[tuple[int, int], int]]:
    """Places side by side in a row, as ((first, length), row)."""
    found = []
    for row, line in enumerate(places.tolist()):
        for inside, columns in groupby(range(len(line)), line.__getitem__):
            run = list(columns)
            if inside:
                found.append(((run[0], len(run)), row + first_row))
    return found


def _with_middle(rule: CountRule) -> NDArray[np.int64]:
    """The weights with the middle cell, without which a square would have a hole."""
    weights = rule.weights.copy()
    weights[rule.reach, rule.reach] = 1
    return weights


def _ranges(rule: CountRule, cells: int) -> list[tuple[int, int, int, int]]:
    """First and end of the counts at which a dead cell is born, and at which a live one survives, with the middle cell."""
    middle = 1 - int(rule.weights[rule.reach, rule.reach])
    births = [(low, min(high, cells) + 1) for low, high in rule.births if low <= cells]
    survivals = [(low + middle, min(high + middle, cells) + 1) for low, high in rule.survivals if low + middle <= cells]
    pairs = max(len(births), len(survivals))
    births, survivals = (each + [(0, 0)] * (pairs - len(each)) for each in (births, survivals))
    return [(*born, *stays) for born, stays in zip(births, survivals, strict=True)]


def _as_tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.int32, device="cpu")
