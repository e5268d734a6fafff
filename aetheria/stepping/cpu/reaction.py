"""The fused plan for reaction and diffusion on the CPU: several steps in one pass over the grid."""

import ctypes

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import ReactionRule
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import StepBuffers, fields, run, threads_for
from aetheria.stepping.cpu.reaction_source import reaction_source, why_not_written
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps

_PRODUCTS = 16  # of a cell and a step, about, in units of `THREAD_PRODUCTS`


class Job(ctypes.Structure):
    """As in `reaction.cpp`."""

    _fields_ = fields("cells next spare parameters", int64="batch height width steps", int32="boundary threads")


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    rule = form_of(law, ReactionRule)
    if isinstance(rule, str):
        return rule
    if precision == "fp64":
        return "its kernel computes in float32, and fp64 is wanted"
    return why_not_written(rule)


class FusedReaction(Plan):
    """Steps a law that has a `ReactionRule`, in float32 and with the operations of eager steps, bit for bit; `sqrt` is rounded
    correctly, which the library that torch calls may not do. Numbers of the formulas are read at each call; other formulas need
    another plan.
    """

    name = "fused"

    def __init__(self, law: Law) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = form_of(law, ReactionRule)
        assert isinstance(rule, ReactionRule), rule
        self._law, self._rule = law, rule
        source = reaction_source(rule)
        self._parameters = source.parameters
        self._kernel = native_kernel("reaction.cpp", Job, generated=source.header).reaction
        self._buffers = StepBuffers()

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        (cells,), numbers = held, self._numbers(held[0])
        batch, _, height, width = cells.shape
        after, spare = self._buffers.around(cells, steps)
        job = Job(
            *(tensor.data_ptr() for tensor in (cells, after, spare, numbers)),
            *(batch, height, width, steps),
            BOUNDARIES.index(self._rule.boundary),
            threads_for(steps * cells.numel() * _PRODUCTS),
        )
        run(self._kernel, job)
        return (after,)

    def _numbers(self, cells: Tensor) -> Tensor:
        """The uniform parts of the formulas, `(B, parameters)` in float32."""
        values = self._rule.numbers(cells)
        numbers = torch.empty(len(cells), max(1, len(self._parameters)))
        for column, part in enumerate(self._parameters):
            value = part.evaluated(values, torch.zeros_like)
            numbers[:, column] = value.flatten() if isinstance(value, Tensor) else value
        return numbers
