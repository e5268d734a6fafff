"""Small laws and motors for grids of one and three dimensions."""

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.motor.motor import Aetheria_Motor


class Shift(Law):
    """Moves every cell by one along x; whole states 0 and 1, exact on grids of one to three axes."""

    channels = 1
    ranks = (1, 2, 3)
    radius = 1
    states = 2
    value_range = (0.0, 1.0)
    exact = True

    def forward(self, cells: Tensor) -> Tensor:
        return cells.roll(1, -1)


def soup(*grid: int, seed: int = 0) -> Tensor:
    """Random cells `(1, *grid)` of 0 and 1."""
    return (torch.rand(1, *grid, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


def shift(*grid: int, cells: Tensor | None = None) -> Aetheria_Motor:
    """A motor that shifts a soup, eagerly."""
    return Aetheria_Motor(Shift(), grid, 1, "cpu", {"plan": "eager"}, initial=soup(*grid) if cells is None else cells)
