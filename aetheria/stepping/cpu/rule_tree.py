"""The packed plan on the CPU for rule tables: a byte a cell, a decision tree over the 3x3 block."""

import ctypes

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.forms import TreeRule
from aetheria.laws.topology import around
from aetheria.stepping.cpu.job import address, fields, run
from aetheria.stepping.cpu.whole_states import Steps, WholeStatesOnCpu


class Job(ctypes.Structure):
    """As in `rule_tree.cpp`."""

    _fields_ = fields("cells next spare children inputs around", int64="batch height width steps", int32="input_count threads")


class RuleTreeOnCpu(WholeStatesOnCpu[TreeRule]):
    """Steps a `TreeRule` exactly; the state is the cells' states `(B, H, W)`, uint8."""

    form = TreeRule
    source = "rule_tree.cpp"
    job = Job
    thread_updates = 500_000

    def prepare(self, rule: TreeRule) -> None:
        self._children, self._inputs = placed_tree(rule)
        height, width = self._shape[-2:]
        self._around = torch.from_numpy(around((height, width), rule.boundary))

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        tensors = map(address, (before, after, spare, self._children, self._inputs, self._around))
        run(self._kernel.rule_tree, Job(*tensors, *before.shape, steps.number, len(self._inputs), steps.threads))


def placed_tree(rule: TreeRule) -> tuple[Tensor, Tensor]:
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
