"""Exact sums: squares added as whole numbers, so that the sum over a grid does not depend on the order, or on a split."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ONE = 1 << 48  # a square of 1 in fixed point; below half of 2^-48 a square counts as none
MOST = 2.0**13  # sum up to which 64 bits are enough, with a margin for the sum over all processes


@dataclass
class SquareSum:
    """The sum of the squares of cells in each universe, in fixed point of 48 binary places.

    Attributes:
        part: the cells of a window that count; None: all.
        over_processes: adds whole numbers of all processes, in place; None for one process.
    """

    part: Callable[[Tensor], Tensor] | None = None
    over_processes: Callable[[Tensor], None] | None = None

    def __call__(self, cells: Tensor) -> Tensor:
        """The sum `(B,)` float64 over channels and grid of cells `(B, C, *grid)`; NaN where it is not finite or above 2^13."""
        counted = cells if self.part is None else self.part(cells)
        squares = counted.double().square().flatten(1)
        fits = squares.sum(1) < MOST  # false for NaN
        whole = (squares * ONE).round().nan_to_num(0, 0, 0).clamp_max(MOST * ONE).to(torch.int64).sum(1)
        sums = torch.stack((torch.where(fits, whole, 0), (~fits).to(torch.int64)))
        if self.over_processes is not None:
            self.over_processes(sums)
        return torch.where(sums[1] == 0, sums[0].double() / ONE, torch.nan)
