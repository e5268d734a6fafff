"""The centre of mass of a weight on the grid, and the way between two centres."""

import math

import torch
from torch import Tensor

from aetheria.core.sums import PlainSums, Sums


def centre(weight: Tensor, periodic: bool = True, sums: Sums | None = None) -> Tensor:
    """The centre of mass `(B, rank)` in cells, in the order of the grid's axes, cell 0 at 0.

    On a torus of side n each axis is a circle: the centre is n / 2 pi times the angle of sum w exp(2 pi i x / n). A weight that
    is spread evenly has no centre there, and the middle is given.

    Source: L. Bai, D. Breen, "Calculating Center of Mass in an Unbounded 2D Environment", Journal of Graphics Tools 13(4),
    2008.

    Args:
        weight: `(B, *grid)`, 0 or more.
        periodic: whether the grid is a torus.
        sums: adds over the grid; None for torch's sums.
    """
    sums = sums or PlainSums()
    return torch.stack([centre_of(sums.along(weight, axis - weight.ndim), periodic) for axis in range(1, weight.ndim)], 1)


def displacement(before: Tensor, after: Tensor, grid: tuple[int, ...], periodic: bool = True) -> Tensor:
    """The distance `(B,)` between two centres `(B, rank)` in cells; on a torus the shortest way."""
    way = after - before
    if periodic:
        side = torch.tensor(grid, dtype=way.dtype, device=way.device)
        way = (way + side / 2) % side - side / 2
    return way.square().sum(1).sqrt()


def centre_of(along: Tensor, periodic: bool) -> Tensor:
    """The centre of mass `(B,)` of the sums `(B, n)` of a weight along one axis, float64; see `centre`."""
    size = along.shape[1]
    cell = torch.arange(size, dtype=torch.float64, device=along.device)
    total, middle = along.sum(1), (size - 1) / 2
    if not periodic:
        return torch.where(total == 0, middle, (along * cell).sum(1) / total)
    angle = cell * (2 * math.pi / size)
    down, across = (along * angle.sin()).sum(1), (along * angle.cos()).sum(1)
    found = torch.atan2(down, across) * (size / (2 * math.pi)) % size
    # As much on every side: what is left is rounding, and points anywhere.
    return torch.where(torch.hypot(down, across) <= 1e-9 * total, middle, found)
