"""Damage of cells in a training, so that a law learns to heal: shapes, share of the states, and schedule."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError

Shape = Literal["disc", "side", "half", "square", "ring", "noise"]
DEFAULT: tuple[Shape, ...] = ("disc", "side")


@dataclass(frozen=True)
class Damage:
    """Damage of some states of a batch.

    Attributes:
        share: of a batch's states, 0..1.
        shapes: of which one is drawn for each state: "disc" (radius 0.1 to 0.4 of the shorter side, in the middle half), "side"
            (all cells on one side of a line near the middle), "half" (left, right, top or bottom), "square", "ring", or
            "noise" (single cells).
        begin, full: shares of the training at which damage begins, and has reached `share`; it rises evenly between them.
    """

    share: float
    shapes: Sequence[Shape] = DEFAULT
    begin: float = 0.0
    full: float = 0.0

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: an unknown shape, none, or numbers out of range.
        """
        if not self.shapes or set(self.shapes) - set(get_args(Shape)):
            raise ConfigError(f"[damage] shapes: {list(self.shapes)} given; expected some of {', '.join(get_args(Shape))}")
        if not 0 <= self.share < 1:
            raise ConfigError(f"[damage] share: {self.share} given; expected 0 <= share < 1")
        if not 0 <= self.begin <= self.full <= 1:
            raise ConfigError(f"[damage] begin {self.begin}, full {self.full}; expected 0 <= begin <= full <= 1")

    def count(self, batch: int, progress: float) -> int:
        """Damaged states of a batch at a share of the training."""
        if progress < self.begin:
            return 0
        risen = 1.0 if self.full == self.begin else min(1.0, (progress - self.begin) / (self.full - self.begin))
        return min(batch - 1, round(self.share * risen * batch))

    def mask(self, height: int, width: int, rng: random.Random) -> Tensor:
        """`(H, W)` bool, True where cells are removed."""
        if tuple(self.shapes) == DEFAULT:
            return _disc(height, width, rng) if rng.random() < 0.5 else _side(height, width, rng)
        return _SHAPES[rng.choice(list(self.shapes))](height, width, rng)


def _distance(height: int, width: int, rng: random.Random) -> Tensor:
    """Squared distance of each cell from a point in the middle half of the grid."""
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    middle = [side * rng.uniform(0.25, 0.75) for side in (height, width)]
    return (y - middle[0]).square() + (x - middle[1]).square()


def _disc(height: int, width: int, rng: random.Random) -> Tensor:
    radius = min(height, width) * rng.uniform(0.1, 0.4)
    return _distance(height, width, rng) < radius**2


def _ring(height: int, width: int, rng: random.Random) -> Tensor:
    radius = min(height, width) * rng.uniform(0.2, 0.4)
    distance = _distance(height, width, rng)
    return (distance < radius**2) & (distance > (radius / 2) ** 2)


def _side(height: int, width: int, rng: random.Random) -> Tensor:
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    angle, offset = rng.uniform(0, 2 * math.pi), min(height, width) * rng.uniform(-0.1, 0.1)
    return (y - height / 2) * math.sin(angle) + (x - width / 2) * math.cos(angle) > offset


def _half(height: int, width: int, rng: random.Random) -> Tensor:
    gone = torch.zeros(height, width, dtype=torch.bool)
    middle = (height // 2, width // 2)
    part = rng.choice(((slice(None, middle[0]), slice(None)), (slice(middle[0], None), slice(None)),
                       (slice(None), slice(None, middle[1])), (slice(None), slice(middle[1], None))))  # fmt: skip
    gone[part] = True
    return gone


def _square(height: int, width: int, rng: random.Random) -> Tensor:
    side = max(1, round(min(height, width) * rng.uniform(0.2, 0.6)))
    top, left = rng.randint(0, height - side), rng.randint(0, width - side)
    gone = torch.zeros(height, width, dtype=torch.bool)
    gone[top : top + side, left : left + side] = True
    return gone


def _noise(height: int, width: int, rng: random.Random) -> Tensor:
    drawn = torch.rand(height, width, generator=torch.Generator().manual_seed(rng.getrandbits(48)))
    return drawn < rng.uniform(0.1, 0.5)


_SHAPES: dict[Shape, Callable[[int, int, random.Random], Tensor]] = {
    "disc": _disc,
    "side": _side,
    "half": _half,
    "square": _square,
    "ring": _ring,
    "noise": _noise,
}
