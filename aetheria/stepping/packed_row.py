"""The packed plan for rows: elementary rules on words of 64 cells, all operations on whole words."""

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.forms import RowRule
from aetheria.stepping.bit_sliced_life import WORD
from aetheria.stepping.packed_states import PackedStates
from aetheria.stepping.plan import State
from aetheria.stepping.unmodified import form_of, keeps

_LOW = (1 << (WORD - 1)) - 1  # all bits of a word but the highest


class PackedRow(PackedStates):
    """Steps a `RowRule` exactly; the state is words `(B, ceil(W / 64))`, int64: cell x is bit x % 64 of word x // 64."""

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `RowRule`.
            cells: `(B, 1, W)`; only the shape, the type and the device matter.
        """
        rule = form_of(law, RowRule)
        assert isinstance(rule, RowRule)
        self._law, self._rule = law, rule
        self._shape, self._type = cells.shape, cells.dtype
        self._places = torch.arange(WORD, device=cells.device)
        self._last = (cells.shape[-1] - 1) % WORD  # place of the last cell in its word

    def pack(self, state: State) -> State:
        batch, _, width = self._shape
        bits = torch.zeros(batch, -(-width // WORD) * WORD, dtype=torch.bool, device=state[0].device)
        bits[:, :width] = state[0][:, 0] > 0.5
        return ((bits.view(batch, -1, WORD).to(torch.int64) << self._places).sum(-1),)

    def unpack(self, held: State) -> State:
        batch, _, width = self._shape
        bits = (held[0][..., None] >> self._places) & 1
        return (bits.view(batch, 1, -1)[..., :width].to(self._type),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        words = held[0]
        for _ in range(steps):
            words = self._next(words)
        return (words,)

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        return states.bitwise_xor_(past)

    def _next(self, words: Tensor) -> Tensor:
        left, right = self._neighbours(words)
        by_left = [_by_right(self._rule.table[4 * l : 4 * l + 2], right) for l in (0, 1)]  # noqa: E741 - the letter of the rule
        alive = [_by_right(self._rule.table[4 * l + 2 : 4 * l + 4], right) for l in (0, 1)]  # noqa: E741
        empty_next, alive_next = (_chosen(left, *pair) for pair in (by_left, alive))
        after = _chosen(words, empty_next, alive_next)
        return after if isinstance(after, Tensor) else torch.full_like(words, after)

    def _neighbours(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """The left and right neighbours of every cell, as words; bits beyond the last cell hold anything."""
        first, last = words[:, 0] & 1, (words[:, -1] >> self._last) & 1
        if self._rule.boundary == "reflect":
            second = self._cell(words, 1)
            before, after = second, self._cell(words, self._shape[-1] - 2)
        else:
            zero = torch.zeros_like(first)
            before, after = (last, first) if self._rule.boundary == "periodic" else (zero, zero)
        left = words << 1
        left[:, 1:] |= (words[:, :-1] >> (WORD - 1)) & 1
        left[:, 0] |= before
        right = (words >> 1) & _LOW
        right[:, :-1] |= words[:, 1:] << (WORD - 1)
        edge = torch.ones((), dtype=torch.int64, device=words.device) << self._last
        right[:, -1] = (right[:, -1] & ~edge) | (after << self._last)
        return left, right

    def _cell(self, words: Tensor, x: int) -> Tensor:
        return (words[:, x // WORD] >> (x % WORD)) & 1

    def edges(self, held: State) -> Tensor:
        return torch.stack((held[0][:, 0] & 1, (held[0][:, -1] >> self._last) & 1), 1)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)


def _by_right(outcomes: tuple[int, ...], right: Tensor) -> Tensor | int:
    """The next cells by the right neighbour: words, or 0 or -1 where it does not matter."""
    empty, alive = outcomes
    if empty == alive:
        return -empty
    return right if alive else ~right


def _chosen(where: Tensor, empty: Tensor | int, alive: Tensor | int) -> Tensor | int:
    """`alive` where a bit is set, else `empty`."""
    if isinstance(empty, int) and isinstance(alive, int):
        if empty == alive:
            return empty
        return where if alive else ~where
    return empty ^ (where & (empty ^ alive))
