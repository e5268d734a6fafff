"""The pool of states from which a law learns to grow a picture, to keep it and to heal it.

Source: A. Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020, doi:10.23915/distill.00023.
"""

import math
import random
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.core.errors import ConfigError, StateError
from aetheria.laws import GrowingNCA
from aetheria.stepping.cpu.training_step import Step, run_steps

COLOURS = 4  # the first channels: red, green and blue premultiplied by alpha, and alpha


@dataclass(frozen=True)
class GrowthBatch:
    """The batch of a training step.

    Attributes:
        cells: `(B, C, H, W)`: the first is one live cell, the last ones are damaged, all others are from the pool.
        seeds: `(B, 2)`, seeds of the law's fire masks.
        slots: `(B,)`, their indices in the pool.
        steps: of the law to take.
    """

    cells: Tensor
    seeds: Tensor
    slots: Tensor
    steps: int


class GrowthPool:
    """The picture to grow, and a pool of intermediate states, through which the picture becomes stable and heals.

    Each training step starts from states that earlier steps stored in the pool. The worst of a batch is replaced by one live
    cell; the best are damaged. A batch depends on the seed, the number of the step, and the pool, which `state_dict` holds.

    Attributes:
        target: `(4, H, W)`, the picture in the middle of the grid.
        start: `(C, H, W)`, one live cell in the middle.
        pool: `(states, C, H, W)`.
    """

    def __init__(
        self,
        law: GrowingNCA,
        picture: Tensor,
        grid: tuple[int, int],
        *,
        pool: int = 256,
        batch: int = 8,
        damaged: int = 2,
        steps: tuple[int, int] = (48, 80),
        seed: int = 0,
    ) -> None:
        """
        Args:
            picture: `(4, h, w)`, red, green and blue premultiplied by alpha, then alpha.
            pool: number of states.
            damaged: states of a batch that are damaged: a disc, or everything on one side of a line, is removed.
            steps: fewest and most steps of the law in a training step.

        Raises:
            StateError: the picture is larger than the grid. ConfigError: numbers that do not fit together.
        """
        height, width = picture.shape[1:]
        if height > grid[0] or width > grid[1]:
            raise StateError(
                f"picture: {height} x {width} pixels on a grid of {grid[0]} x {grid[1]} cells; expected one that fits: "
                "a larger grid, or a smaller `size`"
            )
        if not 1 <= batch <= pool or not 0 <= damaged < batch:
            raise ConfigError(f"pool {pool}, batch {batch}, damaged {damaged}: expected damaged < batch <= pool")
        if not 1 <= steps[0] <= steps[1]:
            raise ConfigError(f"steps: {list(steps)} given; expected fewest and most, from 1")
        self._batch, self._damaged, self._steps, self._seed = batch, damaged, steps, seed
        top, left = (grid[0] - height) // 2, (grid[1] - width) // 2
        self._place = (top, left, height, width)
        self.target = F.pad(picture, (left, grid[1] - width - left, top, grid[0] - height - top))
        self.start = torch.zeros(law.channels, *grid)
        self.start[:, grid[0] // 2, grid[1] // 2] = law.seed_cell()
        self.pool = self.start.repeat(pool, 1, 1, 1)

    def draw(self, number: int) -> GrowthBatch:
        """The batch of training step `number`."""
        rng = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        slots = torch.tensor(rng.sample(range(len(self.pool)), self._batch))
        cells = self.pool[slots]
        order = self.error(cells).argsort(descending=True)
        slots, cells = slots[order], cells[order]
        cells[0] = self.start
        for i in range(self._batch - self._damaged, self._batch):
            cells[i] *= ~damage_mask(cells.shape[2], cells.shape[3], rng).to(cells.device)
        seeds = torch.stack((torch.full((self._batch,), rng.getrandbits(48)), torch.arange(self._batch)), 1)
        return GrowthBatch(cells, seeds, slots, rng.randint(*self._steps))

    def grow(self, step: Step, cells: Tensor, seeds: Tensor, steps: int) -> Tensor:
        """The cells after `steps` steps."""
        count = torch.zeros(len(cells), dtype=torch.int64, device=cells.device)
        return run_steps(step, (cells, seeds, count), steps)[0]

    def loss(self, cells: Tensor) -> Tensor:
        """Mean squared error of the colours, and a penalty on values beyond -2..2, which would grow without bound."""
        return self.error(cells).mean() + (cells - cells.clamp(-2, 2)).abs().mean()

    def error(self, cells: Tensor) -> Tensor:
        """`(B,)`: mean squared error of the colours over the grid."""
        return (cells[:, :COLOURS] - self.target.to(cells)).square().mean((1, 2, 3))

    def picture_error(self, cells: Tensor) -> Tensor:
        """`(B,)`: mean squared error of the colours over the picture alone, without the empty cells around it."""
        top, left, height, width = self._place
        part = (slice(None), slice(COLOURS), slice(top, top + height), slice(left, left + width))
        return (cells[part] - self.target.to(cells)[part[1:]]).square().mean((1, 2, 3))

    def empty_error(self) -> float:
        """The mean squared error of the picture's colours where nothing grows."""
        return float(self.picture_error(torch.zeros_like(self.start)[None]))

    def store(self, slots: Tensor, cells: Tensor) -> None:
        """Stores states in the pool; a state that is not finite is replaced by one live cell."""
        good = cells.isfinite().flatten(1).all(1)[:, None, None, None]
        self.pool[slots] = torch.where(good, cells.detach(), self.start.to(cells)).to(self.pool)

    def state_dict(self) -> dict[str, Any]:
        """The pool."""
        return {"pool": self.pool.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a pool. Raises StateError when it has another shape."""
        if state["pool"].shape != self.pool.shape:
            raise StateError(f"pool: {tuple(state['pool'].shape)} given; expected {tuple(self.pool.shape)}")
        self.pool = state["pool"].clone()


def damage_mask(height: int, width: int, rng: random.Random) -> Tensor:
    """`(H, W)` bool, True where cells are removed.

    Half of the time a disc, centred in the middle half of the grid, with a radius of 0.1 to 0.4 of the shorter side; otherwise
    all cells on one side of a line that passes near the middle.
    """
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    least = min(height, width)
    if rng.random() < 0.5:
        radius = least * rng.uniform(0.1, 0.4)
        middle = [side * rng.uniform(0.25, 0.75) for side in (height, width)]
        return (y - middle[0]).square() + (x - middle[1]).square() < radius**2
    angle, offset = rng.uniform(0, 2 * math.pi), least * rng.uniform(-0.1, 0.1)
    return (y - height / 2) * math.sin(angle) + (x - width / 2) * math.cos(angle) > offset
