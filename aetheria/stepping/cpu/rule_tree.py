"""The packed plan on the CPU for rule tables: a byte a cell, a decision tree over the 3x3 block."""

import ctypes
import math

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.forms import TreeRule
from aetheria.laws.topology import around
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import keeps_tree_rule, tree_rule_of

THREAD_UPDATES = 500_000  # cell updates that are worth starting a thread for


class Job(ctypes.Structure):
    """As in `rule_tree.cpp`."""

    _fields_ = fields("cells next spare children inputs around", int64="batch height width steps", int32="input_count threads")


class RuleTreeOnCpu(Plan):
    """Steps a `TreeRule` exactly; the state is the cells' states `(B, H, W)`, uint8."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law with a `TreeRule`.
            cells: `(B, 1, H, W)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = tree_rule_of(law)
        assert isinstance(rule, TreeRule)
        self._law, self._rule = law, rule
        self._kernel = native_kernel("rule_tree.cpp", Job)
        self._shape, self._type = cells.shape, cells.dtype
        self._children, self._inputs = _for_kernel(rule)
        height, width = cells.shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary))

    def pack(self, state: State) -> State:
        return ((state[0][:, 0] + 0.5).to(torch.uint8),)

    def unpack(self, held: State) -> State:
        return (held[0][:, None].to(self._type),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        batch, _, height, width = self._shape
        cells = held[0].contiguous()
        after, spare = torch.empty_like(cells), torch.empty_like(cells)
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // THREAD_UPDATES))
        pointers = map(address, (cells, after, spare, self._children, self._inputs, self._around))
        run(self._kernel.rule_tree, Job(*pointers, batch, height, width, steps, len(self._inputs), threads))
        return (after,)

    def stale(self) -> bool:
        return not keeps_tree_rule(self._law, self._rule)


def _for_kernel(rule: TreeRule) -> tuple[Tensor, Tensor]:
    """The tree whose children are places in it, but for the last input's, which are states; and the inputs."""
    nodes, states = rule.children.shape
    last, reached = len(rule.inputs) - 1, np.zeros(1, np.int32)
    children = rule.children.copy()
    for _ in range(last):
        below = np.unique(rule.children[reached])
        children[reached] = rule.children[reached] * states
        reached = below
    assert nodes * states < 1 << 31
    return torch.from_numpy(children), torch.tensor(rule.inputs, dtype=torch.int32, device="cpu")
