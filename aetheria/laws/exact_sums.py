"""Exact sums: squares added as whole numbers, so that the sum over a grid does not depend on the order, or on a split."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

HIGH, LOW = 1 << 10, 1 << 30  # a square is a whole number of 2^-10, and of 2^-40 for the rest
MOST = 2.0**51  # sum up to which 64 bits are enough
_COARSE = 2.0**40  # in which parts tell how large they are: whole numbers of 2^-10 of many parts could overflow
_AT_ONCE = 1 << 20  # numbers that are squared at a time: float64 takes five times the memory of the cells


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
        sums = added(cells if self.part is None else self.part(cells))
        if self.over_processes is not None:
            self.over_processes(sums)
        return total_of(sums)


def added(cells: Tensor) -> Tensor:
    """The squares of cells `(B, C, *grid)` added: `(3, B)` whole numbers of 2^-10, of 2^-40, and about how many 2^40.

    These of all parts of a grid may be added in any order; `total_of` gives the sum.
    """
    batch = len(cells)
    sums = torch.zeros(3, batch, dtype=torch.int64, device=cells.device)
    about = torch.zeros(batch, dtype=torch.float64, device=cells.device)
    for piece in torch.split(cells, max(1, _AT_ONCE * cells.shape[2] // max(1, cells.numel())), 2):
        squares = piece.double().square_().flatten(1)
        about += squares.sum(1)
        fits = about < MOST  # false for NaN
        scaled = torch.where(fits[:, None], squares, 0).mul_(HIGH)
        high = scaled.floor()
        low = scaled.sub_(high).mul_(LOW).round_()
        sums[0] += high.to(torch.int64).sum(1)
        sums[1] += low.to(torch.int64).sum(1)
    sums[2] = torch.where(about < MOST, about, MOST).div_(_COARSE).floor_().to(torch.int64)
    return sums


def total_of(sums: Tensor) -> Tensor:
    """The sum `(B,)` float64 of whole numbers `(3, B)`, as `added` gives them; NaN where it is not finite or above 2^51."""
    total = sums[0].double() / HIGH + sums[1].double() / (HIGH * LOW)
    return torch.where(sums[2] < MOST / _COARSE, total, torch.nan)
