"""The packed plan on the CPU for states that follow each other in a circle: a byte a cell, on grids of any rank."""

import ctypes
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import CircleRule
from aetheria.laws.topology import source
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu
from aetheria.stepping.plan import State

_CUBE = 26  # neighbours of a cell


class Job(ctypes.Structure):
    """As in `state_circle.cpp`."""

    _fields_ = fields(
        "cells next spare places ranges",
        int64="batch depth height width steps reach place_count",
        int32="range_count states boundary follows cube threads",
    )


class StateCircleOnCpu(WholeStatesOnCpu[CircleRule]):
    """Steps a `CircleRule` exactly; the state is `(B, *grid)`, uint8, each row with those beyond its two ends."""

    form = CircleRule
    source = "state_circle.cpp"
    job = Job
    thread_updates = 500_000

    def prepare(self, rule: CircleRule) -> None:
        rank, width = len(self._shape) - 2, self._shape[-1]
        places = np.array(rule.places(rank), np.int32).reshape(-1, rank)
        self._reach = int(abs(places).max())
        self._places = torch.from_numpy(np.pad(places, ((0, 0), (3 - rank, 0))))
        self._cube = rank == 3 and not rule.follows and self._reach == 1 and len(places) == _CUBE
        self._ranges = torch.from_numpy(_ranges(rule, len(places)))
        self._boundary = BOUNDARIES.index(rule.boundary)
        along = np.arange(-self._reach, width + self._reach)
        sources = torch.from_numpy(source(np.zeros_like(along), along, (1, width), rule.boundary))
        self._sources, self._outside = sources.clamp_min(0), sources < 0

    def pack(self, state: State) -> State:
        (cells,) = super().pack(state)
        return (cells.index_select(-1, self._sources).masked_fill_(self._outside, 0),)

    def states(self, held: State) -> Tensor:
        return held[0].narrow(-1, self._reach, self._shape[-1])

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        batch, _, *grid = self._shape
        depth, height, width = (1,) * (3 - len(grid)) + tuple(grid)
        rule = self._rule
        job = Job(
            *map(address, (before, after, spare, self._places, self._ranges)),
            *(batch, depth, height, width, steps.number, self._reach, len(self._places)),
            *(len(self._ranges), rule.states, self._boundary, rule.follows, self._cube, steps.threads),
        )
        run(self._kernel.state_circle, job)


def _ranges(rule: CircleRule, most: int) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Rows (lowest, highest, bits of the kinds of cells that move on there)."""
    kinds: defaultdict[tuple[int, int], int] = defaultdict(int)
    for kind, ranges in enumerate(rule.moves[: rule.states]):
        for lowest, highest in ranges:
            if lowest <= most:
                kinds[lowest, min(highest, most)] |= 1 << kind
    return np.array([(*ends, bits) for ends, bits in kinds.items()], np.int32).reshape(-1, 3)
