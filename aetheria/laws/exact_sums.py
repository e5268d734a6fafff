"""Exact sums: squares added as whole numbers, so that the sum over a grid does not depend on the order, or on a split."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

HIGH, LOW = 1 << 10, 1 << 30  # a square is a whole number of 2^-10, and of 2^-40 for the rest
MOST = 2.0**51  # sum up to which 64 bits are enough, for any number of processes


@dataclass
class SquareSum:
    """The sum of the squares of cells in each universe, in fixed point of 40 binary places, in two whole numbers.

    Attributes:
        part: the cells of a window that count; None: all.
        over_processes: adds whole numbers of all processes, in place; None for one process.
    """

    part: Callable[[Tensor], Tensor] | None = None
    over_processes: Callable[[Tensor], None] | None = None

    def __call__(self, cells: Tensor) -> Tensor:
        """The sum `(B,)` float64 over channels and grid of cells `(B, C, *grid)`; NaN where it is not finite or above 2^51."""
        counted = cells if self.part is None else self.part(cells)
        squares = counted.double().square().flatten(1)
        fits = squares.sum(1) < MOST  # false for NaN
        scaled = torch.where(fits[:, None], squares, 0) * HIGH
        high = scaled.floor()
        low = ((scaled - high) * LOW).round()
        sums = torch.stack((high.to(torch.int64).sum(1), low.to(torch.int64).sum(1), (~fits).to(torch.int64)))
        if self.over_processes is not None:
            self.over_processes(sums)
        total = sums[0].double() / HIGH + sums[1].double() / (HIGH * LOW)
        return torch.where(sums[2] == 0, total, torch.nan)
