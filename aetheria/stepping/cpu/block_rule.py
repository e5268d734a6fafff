"""The packed plan on the CPU for rules on the 3x3 block: bits of the states in planes of words of 64 cells."""

import ctypes

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.forms import BlockRule
from aetheria.laws.topology import around
from aetheria.stepping.bit_sliced_life import WORD
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu, pointers
from aetheria.stepping.edges import edge_words, margin_of_words
from aetheria.stepping.packed_states import minus_in_planes
from aetheria.stepping.plan import State


class Job(ctypes.Structure):
    """As in `block_rule.cpp`."""

    _fields_ = fields("cells next spare table around", int64="batch planes height width steps", int32="states threads")


class BlockRuleOnCpu(WholeStatesOnCpu[BlockRule]):
    """Steps a `BlockRule` exactly; the state is words `(B, planes, H, ceil(W / 64))`, int64."""

    form = BlockRule
    source = "block_rule.cpp"
    job = Job
    thread_updates = 4_000_000

    def prepare(self, rule: BlockRule) -> None:
        self._planes = (rule.states - 1).bit_length()
        self._table = torch.from_numpy(kernel_table(rule.table))
        height, width = self._shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary))

    def pack(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, self._planes, height, -(-width // WORD), dtype=torch.int64, device="cpu")
        for universe, packed in zip(cells, words, strict=True):
            self._kernel.pack(*pointers(universe, packed), *map(ctypes.c_int64, (self._planes, height, width)))
        return (words,)

    def unpack(self, held: State) -> State:
        _, _, height, width = self._shape
        cells = torch.empty(self._shape, dtype=torch.float32, device="cpu")
        for packed, universe in zip(held[0], cells, strict=True):
            self._kernel.unpack(*pointers(packed, universe), *map(ctypes.c_int64, (self._planes, height, width)))
        return (cells.to(self._type),)

    def edges(self, held: State) -> Tensor:
        return edge_words(held[0], self._shape[-1])

    def margin(self, held: State) -> Tensor:
        return margin_of_words(held[0], self._shape[-1])

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        return minus_in_planes(states, past, self._rule.states)

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        batch, _, height, width = self._shape
        tensors = map(address, (before, after, spare, self._table, self._around))
        job = Job(*tensors, batch, self._planes, height, width, steps.number, self._rule.states, steps.threads)
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
