"""Rings of a kernel and curves of growth: the functions that Lenia and its relatives are made of."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

Core = Literal["polynomial", "exponential", "gaussian", "step", "staircase"]
CORES: tuple[Core, ...] = get_args(Core)
Growth = Literal["polynomial", "exponential", "gaussian", "step"]  # "gaussian" is another name of "exponential"
GROWTHS: tuple[Growth, ...] = get_args(Growth)
_GAUSSIAN = 0.15  # standard deviation of the Gaussian core, as a share of a ring's width


def ring_weights(radius: float, heights: Sequence[float], core: Core, rank: int) -> Tensor:
    """Rings around a cell, of these heights from the inside out and 0 from `radius` on, not normalised.

    Returns: weights `(2 ceil(radius) + 1,) * rank`, float64.
    """
    offset = torch.arange(-math.ceil(radius), math.ceil(radius) + 1, dtype=torch.float64)
    distance = offset.abs()
    for _ in range(rank - 1):
        distance = torch.hypot(distance[..., None], offset)
    distance = distance / radius * len(heights)
    ring = distance.floor().long().clamp_max(len(heights) - 1)
    weight = torch.tensor(heights, dtype=torch.float64)[ring] * _core(core, distance % 1)
    return torch.where(distance < len(heights), weight, 0.0)


def _core(shape: Core, r: Tensor) -> Tensor:
    if shape == "polynomial":
        return (4 * r * (1 - r)) ** 4
    if shape == "gaussian":
        return torch.exp(-(r - 0.5).square() / (2 * _GAUSSIAN**2))
    if shape in ("step", "staircase"):
        middle = ((r >= 0.25) & (r <= 0.75)).double()
        return middle + 0.5 * (r < 0.25) if shape == "staircase" else middle
    inside = (r > 0) & (r < 1)
    safe = torch.where(inside, r, 0.5)
    return torch.where(inside, torch.exp(4 - 1 / (safe * (1 - safe))), 0.0)


def growth_curve(shape: Growth, u: Tensor, m: Tensor, s: Tensor) -> Tensor:
    """Growth from -1 to 1 at neighbourhood averages u, a bump of centre m and width s."""
    if shape == "polynomial":
        return 2 * (1 - (u - m).square() / (9 * s * s)).clamp_min(0) ** 4 - 1
    if shape == "step":
        return 2 * ((u - m).abs() <= s).to(u.dtype) - 1
    return 2 * torch.exp(-(u - m).square() / (2 * s * s)) - 1
