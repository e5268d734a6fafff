"""The packed plan on CUDA for rules on the 3x3 block and on rows: states in planes of words of 64 cells."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BlockRule, RowRule
from aetheria.stepping import bit_sliced_life
from aetheria.stepping.gpu.circuit import circuit_of
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda, power_of_two
from aetheria.stepping.packed_states import minus_modulo
from aetheria.stepping.plan import State

BLOCK = 128  # columns of words in a program, one per thread
COLUMNS = 32  # of these beside each other, at most: a warp
DEEP = 4  # words in a column, at most: two rows more are read than are stepped


class BlockRuleOnCuda(WholeStatesOnCuda):
    """Steps a `BlockRule` exactly; the state is words `(B, planes, H, ceil(W / 64))`, int64, as in `block_kernel`."""

    form: ClassVar[type] = BlockRule

    @classmethod
    def unfit(cls, rule: BlockRule) -> str:
        if rule.boundary in BOUNDARIES:
            return ""
        return f'boundary "{rule.boundary}", and the kernel joins edges of words without twist and shift'

    @staticmethod
    def block_of(rule: Any) -> BlockRule:
        """The rule on the 3x3 block that is stepped."""
        assert isinstance(rule, BlockRule)
        return rule

    def prepare(self, rule: Any, device: torch.device) -> None:
        self._block = self.block_of(rule)
        self._circuit = circuit_of(self._block.table)
        self._planes = 1 + (self._block.states - 2).bit_length()
        self._height, self._width = (1, *self._shape[2:])[-2:]

    def pack(self, state: State) -> State:
        cells = state[0].reshape(-1, 1, self._height, self._width)
        if self._block.states == 2:
            return (bit_sliced_life.pack(cells)[:, None],)
        return (self._in_planes((cells + 0.5).to(torch.uint8)),)

    def unpack(self, held: State) -> State:
        return (self._as_states(held[0], self._type).view(self._shape),)

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        if self._block.states == 2:
            return states.bitwise_xor_(past)
        one, other = (self._as_states(planes, torch.uint8) for planes in (states, past))
        return self._in_planes(minus_modulo(one, other, self._block.states))

    def _in_planes(self, states: Tensor) -> Tensor:
        """States `(B, 1, H, W)`, uint8, as planes."""
        ages = states.clamp_min(1) - 1
        digits = (ages >> p & 1 for p in range(self._planes - 1))
        return torch.stack([bit_sliced_life.pack(plane) for plane in (states == 1, *digits)], 1)

    def _as_states(self, planes: Tensor, dtype: torch.dtype) -> Tensor:
        """Planes as states `(B, 1, H, W)`."""
        alive, *digits = planes.unbind(1)
        states = bit_sliced_life.unpack(alive, self._width, dtype)
        ages = torch.zeros_like(states)
        for p, plane in enumerate(digits):
            ages += bit_sliced_life.unpack(plane, self._width, dtype) * (1 << p)
        return states + ages + (ages > 0) if digits else states

    def take(self, before: Tensor, after: Tensor) -> None:
        from aetheria.stepping.gpu.block_kernel import step_planes

        batch, planes, height, words = before.shape
        columns = min(power_of_two(words), COLUMNS)
        deep = min(power_of_two(height), DEEP)
        rows = min(power_of_two(-(-height // deep)), BLOCK // columns)
        step_planes[(batch * -(-height // (rows * deep)) * -(-words // columns),)](
            before,
            after,
            height,
            self._width,
            planes=planes,
            states=self._block.states,
            choices=self._circuit.flat,
            result=self._circuit.result,
            boundary=self._block.boundary,
            deep=deep,
            rows=rows,
            columns=columns,
            enable_fp_fusion=True,  # Triton's default; without it Triton warns
        )


class RowRuleOnCuda(BlockRuleOnCuda):
    """Steps a `RowRule` exactly, as the middle row of blocks in a grid of one row; the state is `(B, 1, 1, ceil(W / 64))`."""

    form: ClassVar[type] = RowRule

    @staticmethod
    def block_of(rule: Any) -> BlockRule:
        assert isinstance(rule, RowRule)
        table = sum(rule.table[block >> 3 & 7] << block for block in range(512))
        return BlockRule(table, 2, rule.boundary)
