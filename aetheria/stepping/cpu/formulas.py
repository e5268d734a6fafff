"""The fused plan for laws by formulas on the CPU: several steps in one pass over the grid."""

import ctypes
import math

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import FormulaRule
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.formula_source import formula_source, why_not_written
from aetheria.stepping.cpu.job import StepBuffers, fields, run, threads_for
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps

_PRODUCTS = 16  # of a value and a step, about, in units of `THREAD_PRODUCTS`


class Job(ctypes.Structure):
    """As in `formulas.cpp`."""

    _fields_ = fields("cells next spare parameters", int64="batch height width steps", int32="boundary row threads")


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    rule = form_of(law, FormulaRule)
    if isinstance(rule, str):
        return rule
    if precision == "fp64":
        return "its kernel takes cells in float32, and fp64 is wanted"
    return why_not_written(rule)


class FusedFormulas(Plan):
    """Steps a law that has a `FormulaRule`, on float32 cells and with the operations of eager steps, bit for bit.

    But `sqrt` is rounded correctly, which the library that torch calls may not do, and `sin` and `cos` to 1e-9. Numbers of
    the formulas are read at each call; other formulas need another plan.
    """

    name = "fused"

    def __init__(self, law: Law, rank: int) -> None:
        """
        Args:
            rank: number of grid axes, 1 or 2.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = form_of(law, FormulaRule)
        assert isinstance(rule, FormulaRule), rule
        self._law, self._rule = law, rule
        source = formula_source(rule, rank)
        self._parameters = source.parameters
        self._kernel = native_kernel("formulas.cpp", Job, generated=source.header).formulas
        self._buffers = StepBuffers()

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        (cells,), numbers = held, self._numbers(held[0])
        *heights, width = cells.shape[2:]
        after, spare = self._buffers.around(cells, steps)
        job = Job(
            *(tensor.data_ptr() for tensor in (cells, after, spare, numbers)),
            *(len(cells), math.prod(heights), width, steps),
            BOUNDARIES.index(self._rule.boundary),
            not heights,
            threads_for(steps * cells.numel() * _PRODUCTS),
        )
        run(self._kernel, job)
        return (after,)

    def _numbers(self, cells: Tensor) -> Tensor:
        """The parameters of the formulas, `(B, parameters)` in float64."""
        values = self._rule.numbers(cells)
        numbers = torch.empty(len(cells), max(1, len(self._parameters)), dtype=torch.float64)
        for column, part in enumerate(self._parameters):
            value = part.evaluated(values, torch.zeros_like)
            numbers[:, column] = value.flatten() if isinstance(value, Tensor) else value
        return numbers
