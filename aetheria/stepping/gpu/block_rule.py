"""The packed plan on CUDA for rules on the 3x3 block and on rows: states in planes of words of 64 cells."""

from typing import Any

import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import BlockRule, RowRule
from aetheria.stepping import bit_sliced_life
from aetheria.stepping.gpu.circuit import circuit_of
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda, power_of_two
from aetheria.stepping.plan import State

BLOCK = 128  # columns of words in a program, one per thread
COLUMNS = 32  # of these beside each other, at most: a warp
DEEP = 4  # words in a column, at most: two rows more are read than are stepped


class BlockRuleOnCuda(WholeStatesOnCuda):
    """Steps a `BlockRule` exactly; the state is words `(B, planes, H, ceil(W / 64))`, int64, as in `block_kernel`."""

    form = BlockRule

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

    def prepare(self, rule: Any, device: torch.device) -> None:  # noqa: ARG002 - all is compiled in
        self._block = self.block_of(rule)
        self._circuit = circuit_of(self._block.table)
        self._planes = 1 + (self._block.states - 2).bit_length()
        self._height, self._width = (1, *self._shape[2:])[-2:]

    def pack(self, state: State) -> State:
        cells = state[0].reshape(-1, 1, self._height, self._width)
        if self._block.states == 2:
            return (bit_sliced_life.pack(cells)[:, None],)
        states = (cells + 0.5).to(torch.uint8)
        digits = (((states.clamp_min(1) - 1) >> p) & 1 for p in range(self._planes - 1))
        return (torch.stack([bit_sliced_life.pack(plane) for plane in (states == 1, *digits)], 1),)

    def unpack(self, held: State) -> State:
        alive, *digits = held[0].unbind(1)
        cells = bit_sliced_life.unpack(alive, self._width, self._type)
        if digits:
            planes = [bit_sliced_life.unpack(plane, self._width, torch.uint8) for plane in digits]
            age = sum(plane.to(torch.int32) << p for p, plane in enumerate(planes))
            cells = torch.where(age > 0, age + 1, cells).to(self._type)
        return (cells.view(self._shape),)

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

    form = RowRule

    @staticmethod
    def block_of(rule: Any) -> BlockRule:
        assert isinstance(rule, RowRule)
        table = sum(rule.table[block >> 3 & 7] << block for block in range(512))
        return BlockRule(table, 2, rule.boundary)
