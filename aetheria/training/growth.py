"""Growing a picture from one cell, so that it lasts and heals: what is drawn for a training step, and how it is judged.

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

COLOURS = 4  # the first channels: red, green, blue, premultiplied by alpha, and alpha


@dataclass(frozen=True)
class GrowthBatch:
    """What one training step grows.

    Attributes:
        cells: `(B, C, H, W)`: one a seed, some damaged, all others from the pool.
        seeds: `(B, 2)`, from which the law draws what fires.
        places: `(B,)` in the pool.
        steps: to take.
    """

    cells: Tensor
    seeds: Tensor
    places: Tensor
    steps: int


class Growth:
    """A picture to be grown, and a pool of states on the way, so that what is grown also lasts and heals.

    Each training step goes on from states that earlier ones left in the pool. The worst of a batch begins again as one cell;
    the best are damaged. What is drawn depends on the seed, the number of the step, and the pool, which `state_dict` holds.
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
            picture: `(4, h, w)`, in the middle of the grid.
            pool: states that are kept.
            damaged: of a batch, how many lose a part: a disc, or half of themselves.
            steps: fewest and most that a training step takes.

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
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        places = torch.tensor(chance.sample(range(len(self.pool)), self._batch))
        cells = self.pool[places]
        order = self.error(cells).argsort(descending=True)
        places, cells = places[order], cells[order]
        cells[0] = self.start
        for i in range(self._batch - self._damaged, self._batch):
            cells[i] *= ~wound(cells.shape[2], cells.shape[3], chance).to(cells.device)
        seeds = torch.stack((torch.full((self._batch,), chance.getrandbits(48)), torch.arange(self._batch)), 1)
        return GrowthBatch(cells, seeds, places, chance.randint(*self._steps))

    def grow(self, step: Step, cells: Tensor, seeds: Tensor, steps: int) -> Tensor:
        """The cells after so many steps."""
        count = torch.zeros(len(cells), dtype=torch.int64, device=cells.device)
        return run_steps(step, (cells, seeds, count), steps)[0]

    def loss(self, cells: Tensor) -> Tensor:
        """Mean squared error of the colours, and a penalty on values beyond -2..2, which would not last."""
        return self.error(cells).mean() + (cells - cells.clamp(-2, 2)).abs().mean()

    def error(self, cells: Tensor) -> Tensor:
        """`(B,)`: mean squared error of the colours over the grid."""
        return (cells[:, :COLOURS] - self.target.to(cells)).square().mean((1, 2, 3))

    def picture_error(self, cells: Tensor) -> Tensor:
        """`(B,)`: mean squared error of the colours over the picture alone, without the empty cells around it."""
        top, left, height, width = self._place
        part = (slice(None), slice(COLOURS), slice(top, top + height), slice(left, left + width))
        return (cells[part] - self.target.to(cells)[part[1:]]).square().mean((1, 2, 3))

    def keep(self, places: Tensor, cells: Tensor) -> None:
        """Puts what was grown into the pool; what is not finite begins again."""
        good = cells.isfinite().flatten(1).all(1)[:, None, None, None]
        self.pool[places] = torch.where(good, cells.detach(), self.start.to(cells)).to(self.pool)

    def state_dict(self) -> dict[str, Any]:
        """The pool."""
        return {"pool": self.pool.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with a pool. Raises StateError when it is of another shape."""
        if state["pool"].shape != self.pool.shape:
            raise StateError(f"pool: {tuple(state['pool'].shape)} given; expected {tuple(self.pool.shape)}")
        self.pool = state["pool"].clone()


def wound(height: int, width: int, chance: random.Random) -> Tensor:
    """`(H, W)` bool, what is lost: a disc somewhere in the middle half, of a tenth to two fifths of the shorter side; or, every
    other time, all on one side of a straight line that passes near the middle."""
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    least = min(height, width)
    if chance.random() < 0.5:
        radius = least * chance.uniform(0.1, 0.4)
        middle = [side * chance.uniform(0.25, 0.75) for side in (height, width)]
        return (y - middle[0]).square() + (x - middle[1]).square() < radius**2
    angle, beside = chance.uniform(0, 2 * math.pi), least * chance.uniform(-0.1, 0.1)
    return (y - height / 2) * math.sin(angle) + (x - width / 2) * math.cos(angle) > beside
