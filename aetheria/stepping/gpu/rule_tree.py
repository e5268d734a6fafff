"""The packed plan on CUDA for rule tables: a byte a cell, a decision tree over the 3x3 block."""

import torch
from torch import Tensor

from aetheria.laws.forms import TreeRule
from aetheria.stepping.cpu.rule_tree import placed_tree
from aetheria.stepping.gpu.network_layout import index_type
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda, edges_of, power_of_two

ROWS, COLUMNS = 8, 64  # cells of a tile, at most


class RuleTreeOnCuda(WholeStatesOnCuda):
    """Steps a `TreeRule` exactly; the state is the cells' states `(B, H, W)`, uint8."""

    form = TreeRule

    def prepare(self, rule: TreeRule, device: torch.device) -> None:
        children, _ = placed_tree(rule)
        self._children = children.to(device)
        self._around = edges_of(self._shape[-2:], rule.boundary, 1, device)
        self._inputs = tuple(offset for place in rule.inputs for offset in place)

    def take(self, before: Tensor, after: Tensor) -> None:
        from aetheria.stepping.gpu.tree_kernel import step_tree

        batch, height, width = before.shape
        rows, columns = min(power_of_two(height), ROWS), min(power_of_two(width), COLUMNS)
        step_tree[(batch * -(-height // rows) * -(-width // columns),)](
            before,
            after,
            self._children,
            self._around,
            height,
            width,
            inputs=self._inputs,
            index=index_type(height, width),
            rows=rows,
            columns=columns,
            enable_fp_fusion=True,  # Triton's default; without it Triton warns
        )
