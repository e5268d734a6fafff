"""Small motors with grids of one, two and three axes, for tests of files."""

from typing import Any

from torch import Tensor

from aetheria import Law
from aetheria.motor.motor import Aetheria_Motor

GRIDS: list[tuple[int, ...]] = [(24,), (9, 14), (5, 6, 8)]


class Diffusion(Law):
    """Heat on a torus of any rank, in five channels."""

    channels = 5
    ranks = (1, 2, 3)
    radius = 1
    alive = (0, 0.5)
    fields = (*Law.fields, "population", "rgb")

    def forward(self, cells: Tensor) -> Tensor:
        axes = range(2, cells.ndim)
        return cells + 0.1 * (sum(cells.roll(s, a) for s in (1, -1) for a in axes) - 2 * len(axes) * cells)


def motor_on(grid: tuple[int, ...], batch: int = 1, **options: Any) -> Aetheria_Motor:
    """A motor with random cells that differ from step to step."""
    return Aetheria_Motor(Diffusion(), grid, 5, "cpu", {"plan": "eager"}, seed=3, batch=batch, **options)
