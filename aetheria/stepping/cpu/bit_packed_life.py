"""The packed plan on the CPU: rules of two states on words of 64 cells, and those that count neighbours (Life)."""

import ctypes
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BitRule
from aetheria.stepping.bit_sliced_life import WORD
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu, pointers
from aetheria.stepping.edges import edge_words, margin_of_words
from aetheria.stepping.plan import State

_NUMBERS: dict[str, int] = {boundary: number for number, boundary in enumerate(BOUNDARIES)}


class Job(ctypes.Structure):
    """As in `packed_strips.h`."""

    _fields_ = fields("cells next spare", int64="batch height width steps", int32="boundary threads")


class RuleOfBits(Protocol):
    """A form of a law of two states."""

    @property
    def boundary(self) -> str:
        """One of `BOUNDARIES`."""


Form = TypeVar("Form", bound=RuleOfBits)


class PackedBitsOnCpu(WholeStatesOnCpu[Form]):
    """Steps several times in a pass; the state is words `(B, H, ceil(W / 64))`, int64, as in `packed_strips.h`."""

    job = Job

    def pack(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, height, -(-width // WORD), dtype=torch.int64, device="cpu")
        self._kernel.pack(*pointers(cells, words), *map(ctypes.c_int64, (batch * height, width)))
        return (words,)

    def unpack(self, held: State) -> State:
        batch, _, height, width = self._shape
        cells = torch.empty(self._shape, dtype=torch.float32, device="cpu")
        self._kernel.unpack(*pointers(held[0], cells), *map(ctypes.c_int64, (batch * height, width)))
        return (cells.to(self._type),)

    def edges(self, held: State) -> Tensor:
        return edge_words(held[0], self._shape[-1])

    def margin(self, held: State) -> Tensor:
        return margin_of_words(held[0], self._shape[-1])

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        return states.bitwise_xor_(past)

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        batch, _, height, width = self._shape
        boundary = _NUMBERS[self._rule.boundary]
        job = Job(*map(address, (before, after, spare)), batch, height, width, steps.number, boundary, steps.threads)
        run(self._kernel.step, job)


class PackedOnCpu(PackedBitsOnCpu[BitRule]):
    """Steps a `BitRule` exactly."""

    form = BitRule
    source = "bit_packed_life.cpp"
    thread_updates = 30_000_000  # about a millisecond

    @staticmethod
    def macros(rule: BitRule) -> dict[str, int]:
        """Bit n is set if a cell with n live neighbours is born, or survives."""
        birth, survival = (sum(1 << n for n in range(9) if rule.table[first + n]) for first in (0, 9))
        return {"BIRTH": birth, "SURVIVAL": survival}
