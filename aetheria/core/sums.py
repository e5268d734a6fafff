"""Sums and extremes over a grid: as torch adds, or exact, so that neither the order nor a split of the grid matters."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_AT_ONCE = 1 << 20  # values that are scaled at a time
_BITS = 62  # of the sums of each of two whole numbers
_LEAST = -880  # exponent: smaller values are added as if they were of this size


class Sums(Protocol):
    """Adds, counts and compares the values `(B, *grid)` of a field."""

    def grid(self, values: Tensor) -> tuple[int, ...]:
        """Sides of the whole grid."""

    def total(self, values: Tensor) -> Tensor:
        """The sums `(B,)` over the grid, float64."""

    def mean(self, values: Tensor) -> Tensor:
        """The means `(B,)` over the grid, float64."""

    def along(self, values: Tensor, axis: int) -> Tensor:
        """The sums `(B, n)` over all axes but one (-1: x, -2: y, -3: z), float64."""

    def extremes(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest value over the grid, each `(B,)`."""

    def counts(self, numbers: Tensor, most: int) -> Tensor:
        """How many cells hold each of the whole numbers from 0 to `most`, `(B, most + 1)`, int64."""


class PlainSums:
    """As torch adds: fast, in an order that may change the last digits."""

    def grid(self, values: Tensor) -> tuple[int, ...]:
        return tuple(values.shape[1:])

    def total(self, values: Tensor) -> Tensor:
        axes = tuple(range(1, values.ndim))
        return values.sum(axes).double() if values.dtype == torch.bool else values.sum(axes, dtype=torch.float64)

    def mean(self, values: Tensor) -> Tensor:
        return values.mean(tuple(range(1, values.ndim)), dtype=torch.float64)

    def along(self, values: Tensor, axis: int) -> Tensor:
        others = tuple(other for other in range(1, values.ndim) if other != values.ndim + axis)
        return values.sum(others, dtype=torch.float64) if others else values.double()

    def extremes(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return torch.aminmax(values.flatten(1), dim=1)

    def counts(self, numbers: Tensor, most: int) -> Tensor:
        return torch.stack([torch.bincount(one.flatten().long(), minlength=most + 1) for one in numbers])


@dataclass(frozen=True)
class Window:
    """The part of a grid whose values one process adds.

    Attributes:
        start: its first cell.
        grid: sides of the whole grid.
        inner: that part of the values that a process has, with those of a margin.
        add: adds whole numbers of all processes, in place.
        most: the largest of all processes' numbers, in place.
    """

    start: tuple[int, ...]
    grid: tuple[int, ...]
    inner: Callable[[Tensor], Tensor]
    add: Callable[[Tensor], None]
    most: Callable[[Tensor], None]


class ExactSums:
    """In whole numbers, by the size of the largest value: in any order, and on any split, the same to the last bit.

    Values are added in two numbers of 62 bits: of N values, each is taken to within N^2 / 2^123 of the largest one. NaN where a
    value is not finite.

    Source: J. Demmel, H. D. Nguyen, "Fast Reproducible Floating-Point Summation", ARITH 2013, for the scale by the maximum.
    """

    def __init__(self, window: Window | None = None) -> None:
        """
        Args:
            window: of the process, which the values are of; all processes make the same calls. None for a whole grid.
        """
        self._window = window

    def grid(self, values: Tensor) -> tuple[int, ...]:
        return tuple(values.shape[1:]) if self._window is None else self._window.grid

    def total(self, values: Tensor) -> Tensor:
        if values.dtype != torch.bool:
            return self._added(values, None)[:, 0]
        return self._over_all(self._own(values).flatten(1).sum(1)).double()

    def mean(self, values: Tensor) -> Tensor:
        return self.total(values) / math.prod(self.grid(values))

    def along(self, values: Tensor, axis: int) -> Tensor:
        return self._added(values, values.ndim + axis)

    def extremes(self, values: Tensor) -> tuple[Tensor, Tensor]:
        least, greatest = PlainSums().extremes(self._own(values))
        if self._window is not None:
            self._window.most(ends := torch.stack((-least, greatest)))
            least, greatest = -ends[0], ends[1]
        return least, greatest

    def counts(self, numbers: Tensor, most: int) -> Tensor:
        return self._over_all(PlainSums().counts(self._own(numbers), most))

    def _own(self, values: Tensor) -> Tensor:
        """The values that this process adds."""
        return values if self._window is None else self._window.inner(values)

    def _over_all(self, numbers: Tensor) -> Tensor:
        """Whole numbers, added over all processes."""
        if self._window is not None:
            self._window.add(numbers)
        return numbers

    def _added(self, values: Tensor, kept: int | None) -> Tensor:
        """Sums `(B, n)` over all axes but one, or `(B, 1)`."""
        window, grid = self._window, self.grid(values)
        values = self._own(values)
        # The size of the largest value; Inf for NaN, too, which `amax` hands on and no process's number is below.
        largest = values.abs().flatten(1).amax(1).double().nan_to_num(nan=math.inf)
        if window is not None:
            window.most(largest)
        good = largest.isfinite()
        exponent = torch.frexp(torch.where(good, largest, 0.0))[1].long().clamp_min(_LEAST)
        digits = _BITS - math.ceil(math.log2(max(2, math.prod(grid))))
        first = 0 if window is None or kept is None else window.start[kept - 1]
        sums = torch.zeros(2, len(values), 1 if kept is None else grid[kept - 1], dtype=torch.int64, device=values.device)
        for at, piece in _pieces(values):
            scaled = torch.where(_like(good, piece), piece.double(), 0.0).mul_(_like(_power(digits - exponent), piece))
            high = scaled.floor()
            for number, part in enumerate((high, scaled.sub_(high).mul_(2.0**digits).round_())):
                whole = part.to(torch.int64)
                if kept is None:
                    sums[number, :, 0] += whole.flatten(1).sum(1)
                else:
                    others = tuple(axis for axis in range(1, piece.ndim) if axis != kept)
                    line = whole.sum(others) if others else whole
                    begin = first + (at if kept == 1 else 0)
                    sums[number, :, begin : begin + line.shape[1]] += line
        self._over_all(sums)
        high, low = (_power(exponent - digits * number)[:, None] for number in (1, 2))
        found = sums[0].double() * high + sums[1].double() * low
        return torch.where(good[:, None], found, torch.nan)


def _pieces(values: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Values in pieces along their first axis of the grid, each with its place there."""
    rows = max(1, _AT_ONCE * values.shape[1] // max(1, values.numel()))
    for at in range(0, values.shape[1], rows):
        yield at, values[:, at : at + rows]


def _power(exponent: Tensor) -> Tensor:
    """2 to whole numbers from -1022 to 1023, float64: exact, by their bits."""
    return ((exponent + 1023) << 52).view(torch.float64)


def _like(numbers: Tensor, values: Tensor) -> Tensor:
    """Numbers `(B,)`, to be combined with `(B, ...)`."""
    return numbers.view(-1, *[1] * (values.ndim - 1))
