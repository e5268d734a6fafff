"""`StatePlanesOnCpu`: base of the packed plans on the CPU whose states are bits in planes of words of 64 cells."""

import ctypes
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from aetheria.stepping.bit_sliced_life import WORD
from aetheria.stepping.cpu.whole_states import WholeStatesOnCpu, pointers
from aetheria.stepping.edges import edge_words, margin_of_words
from aetheria.stepping.packed_states import minus_in_planes
from aetheria.stepping.plan import State


class RuleOfStates(Protocol):
    """A form of a law with a number of states."""

    @property
    def states(self) -> int:
        """The number."""


Form = TypeVar("Form", bound=RuleOfStates)


class StatePlanesOnCpu(WholeStatesOnCpu[Form]):
    """The state is words `(B, planes, H, ceil(W / 64))`, int64, as in `state_planes.h`, which the kernel includes."""

    def pack(self, state: State) -> State:
        batch, _, height, width = self._shape
        cells = state[0].float().contiguous()
        words = torch.empty(batch, planes_of(self._rule), height, -(-width // WORD), dtype=torch.int64, device="cpu")
        for universe, packed in zip(cells, words, strict=True):
            self._kernel.pack(*pointers(universe, packed), *map(ctypes.c_int64, packed.shape[:-1]), ctypes.c_int64(width))
        return (words,)

    def unpack(self, held: State) -> State:
        cells = torch.empty(self._shape, dtype=torch.float32, device="cpu")
        for packed, universe in zip(held[0], cells, strict=True):
            sizes = (*packed.shape[:-1], self._shape[-1])
            self._kernel.unpack(*pointers(packed, universe), *map(ctypes.c_int64, sizes))
        return (cells.to(self._type),)

    def edges(self, held: State) -> Tensor:
        return edge_words(held[0], self._shape[-1])

    def margin(self, held: State) -> Tensor:
        return margin_of_words(held[0], self._shape[-1])

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        return minus_in_planes(states, past, self._rule.states)


def planes_of(rule: Any) -> int:
    """Bits of a state."""
    return int(rule.states - 1).bit_length()
