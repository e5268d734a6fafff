"""The fused plan for laws by formulas on the CPU: several steps in one pass over the grid."""

import ctypes
from collections.abc import Mapping
from typing import Any

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

_PAD = 32  # numbers by cell on either side of a row: of more cells than the kernel computes beyond its ends
_PRODUCTS = 16  # of a value and a step, about, in units of `THREAD_PRODUCTS`


class Job(ctypes.Structure):
    """As in `formulas.cpp`."""

    _fields_ = fields(
        "cells next spare parameters by_cell beyond",
        int64="batch depth height width steps columns pad apart",
        int32="boundary inside threads",
    )


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
            rank: number of grid axes, 1, 2 or 3.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = form_of(law, FormulaRule)
        assert isinstance(rule, FormulaRule), rule
        self._law, self._rule = law, rule
        self._beyond = torch.tensor(rule.beyond or range(len(rule.species)), dtype=torch.int32)
        source = formula_source(rule, rank)
        self._parameters = source.parameters
        self._kernel = native_kernel("formulas.cpp", Job, generated=source.header).formulas
        self._buffers = StepBuffers()
        self._by_cell: tuple[object, Tensor] | None = None  # with the numbers and the grid from which they come

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        (cells,) = held
        values = self._rule.numbers(cells)
        numbers, by_cell = self._numbers(cells, values), self._numbers_by_cell(cells, values)
        depth, height, width = (1, 1, *cells.shape[2:])[-3:]
        after, spare = self._buffers.around(cells, steps)
        job = Job(
            *(tensor.data_ptr() for tensor in (cells, after, spare, numbers, by_cell, self._beyond)),
            *(len(cells), depth, height, width, steps),
            *(by_cell.shape[-1], 0 if cells.ndim == 5 else _PAD, by_cell[0].numel() if len(by_cell) > 1 else 0),
            BOUNDARIES.index(self._rule.boundary),
            not self._rule.beyond,
            threads_for(steps * cells.numel() * _PRODUCTS),
        )
        run(self._kernel, job)
        return (after,)

    def _numbers_by_cell(self, cells: Tensor, values: Mapping[str, Any]) -> Tensor:
        """The numbers that differ by cell, `(B or 1, numbers, height, width + 2 _PAD)` or, on three axes,
        `(B or 1, numbers, depth, (height + 2) (width + 2))`; those of the last call while they stay.
        """
        if self._rule.by_cell is None:
            return torch.empty(1, 0, dtype=torch.float64)
        numbers = [value.tolist() if isinstance(value, Tensor) else value for value in values.values()]
        origin = (numbers, len(cells), cells.shape[2:])
        if self._by_cell is None or self._by_cell[0] != origin:
            by_cell = self._rule.by_cell.values(cells)
            if by_cell.ndim < 5:
                self._by_cell = origin, self._padded(by_cell, -1, _PAD)
            else:
                self._by_cell = origin, self._padded(self._padded(by_cell, -1, 1), -2, 1).flatten(-2)
        return self._by_cell[1]

    def _numbers(self, cells: Tensor, values: Mapping[str, Any]) -> Tensor:
        """The parameters of the formulas, `(B, parameters)` in float64."""
        numbers = torch.empty(len(cells), max(1, len(self._parameters)), dtype=torch.float64)
        for column, part in enumerate(self._parameters):
            value = part.evaluated(values, torch.zeros_like)
            numbers[:, column] = value.flatten() if isinstance(value, Tensor) else value
        return numbers

    def _padded(self, numbers: Tensor, axis: int, pad: int) -> Tensor:
        """With more numbers before and after those along an axis: around a torus, or those at the wall again."""
        side = numbers.shape[axis]
        places = torch.arange(-pad, side + pad)
        places = places % side if self._rule.boundary == "periodic" else places.clamp(0, side - 1)
        return numbers.index_select(axis, places)
