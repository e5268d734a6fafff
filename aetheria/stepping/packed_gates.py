"""The packed plan for circuits of logic gates: 64 cells in a word, a layer of gates at a time."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.checks import Boundary
from aetheria.laws.forms import GateRule, Gates
from aetheria.stepping.bit_sliced_life import WORD, beside, pack, unpack
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps


class PackedGates(Plan):
    """Steps a `GateRule` exactly; the state is words `(B, C, .., ceil(W / 64))`, int64, as in `bit_sliced_life`."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `GateRule`.
            cells: `(B, C, *grid)`; only the shape, the type and the device matter.
        """
        rule = form_of(law, GateRule)
        assert isinstance(rule, GateRule), rule
        self._law, self._rule = law, rule
        self._shape, self._type = cells.shape, cells.dtype
        inputs = len(rule.places)
        self._perception = [_Layer(gates, cells) for gates in side_by_side(rule.perception, inputs)]
        self._update = [_Layer(gates, cells) for gates in rule.update]
        words = -(-cells.shape[-1] // WORD)
        self._inside = torch.full((words,), -1, device=cells.device)
        if tail := cells.shape[-1] % WORD:
            self._inside[-1] = (1 << tail) - 1

    def pack(self, state: State) -> State:
        *axes, width = self._shape
        return (pack(state[0].reshape(1, 1, -1, width)).view(*axes, -1),)

    def unpack(self, held: State) -> State:
        *axes, width = self._shape
        return (unpack(held[0].reshape(1, math.prod(axes), -1), width, self._type).view(self._shape),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        (words,) = held
        for _ in range(steps):
            words = self._next(words)
        return (words,)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)

    def _next(self, words: Tensor) -> Tensor:
        batch, channels = words.shape[:2]
        bits = self._around(words).flatten(0, 1)
        for layer in self._perception:
            bits = layer(bits)
        seen = bits.view(batch, channels, -1, *words.shape[2:]).transpose(1, 2).flatten(1, 2)
        bits = torch.cat((words, seen), 1)
        for layer in self._update:
            bits = layer(bits)
        return bits & self._inside

    def _around(self, words: Tensor) -> Tensor:
        """The cells at the rule's places `(B, C, places, .., words)`, whose bits beyond the width may be anything."""
        halo, (*outer, width) = words, self._shape[2:]
        for axis in range(2, 2 + len(outer)):
            halo = _with_ends(halo, axis, self._rule.boundary)
        columns = beside(halo, width, self._rule.boundary)  # to the west, here, to the east

        def at(place: Sequence[int]) -> Tensor:
            rows = tuple(slice(1 + by, 1 + by + side) for by, side in zip(place, outer, strict=False))
            index: Any = (..., *rows, slice(words.shape[-1]))
            return columns[1 + place[-1]][index]

        return torch.stack([at(place) for place in self._rule.places], 2)


class _Layer:
    """Gates as exclusive ors of a constant, the left input, the right input and both, each with bits that choose it."""

    def __init__(self, gates: Gates, cells: Tensor) -> None:
        self._left, self._right = (torch.tensor(wires, device=cells.device) for wires in (gates.left, gates.right))
        none, right, left, both = (torch.tensor(gates.kinds) >> place & 1 for place in (3, 2, 1, 0))
        chosen = (none, none ^ left, none ^ right, none ^ left ^ right ^ both)
        axes = cells.ndim - 2
        self._chosen = [(-bits).view(-1, *[1] * axes).to(cells.device) for bits in chosen]

    def __call__(self, bits: Tensor) -> Tensor:
        left, right = bits.index_select(1, self._left), bits.index_select(1, self._right)
        none, by_left, by_right, by_both = self._chosen
        both = (left & right).bitwise_and_(by_both)
        return both.bitwise_xor_(left.bitwise_and_(by_left)).bitwise_xor_(right.bitwise_and_(by_right)).bitwise_xor_(none)


def side_by_side(circuits: Sequence[Sequence[Gates]], inputs: int) -> list[Gates]:
    """Circuits of as many layers, all on the same inputs, as one."""
    layers = []
    widths = [inputs] * len(circuits)
    for number, gates in enumerate(zip(*circuits, strict=True)):
        starts = [sum(widths[:k]) if number else 0 for k in range(len(circuits))]
        left = (start + wire for start, each in zip(starts, gates, strict=True) for wire in each.left)
        right = (start + wire for start, each in zip(starts, gates, strict=True) for wire in each.right)
        layers.append(Gates(tuple(kind for each in gates for kind in each.kinds), tuple(left), tuple(right)))
        widths = [len(each.kinds) for each in gates]
    return layers


def _with_ends(words: Tensor, axis: int, boundary: Boundary) -> Tensor:
    """The words with those beyond the two ends of an axis."""
    size = words.shape[axis]
    if boundary == "zero":
        before = after = torch.zeros_like(words.narrow(axis, 0, 1))
    else:
        first, last = (size - 1, 0) if boundary == "periodic" else (1, size - 2)
        before, after = words.narrow(axis, first, 1), words.narrow(axis, last, 1)
    return torch.cat((before, words, after), axis)
