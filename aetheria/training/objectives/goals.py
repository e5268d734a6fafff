"""Objective "goals": a law grows one of several pictures from one cell, the one that a goal vector names.

Source: S. Sudhakaran et al., "Goal-Guided Neural Cellular Automata: Learning to Control Self-Organising Systems", 2022.
"""

import random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.training.damage import Damage
from aetheria.training.growth import COLOURS
from aetheria.training.growth_report import contact_sheet
from aetheria.training.target_images import read_picture
from aetheria.training.task import Batch, Figures, Task


class Goals(Task):
    """Pictures by number: the goal, a 1 in one of the last channels of every cell, says which one grows.

    With a pool a share of the states is damaged, and a share gets another goal, so that the law heals and changes its mind.
    """

    def __init__(
        self,
        law: Law,
        grid: tuple[int, ...],
        /,
        *,
        paths: list[str],
        size: int | None = None,
        damaged: float = 0.125,
        changed: float = 0.125,
    ) -> None:
        """
        Args:
            paths: of the pictures.
            size: of their longer sides. [cells]
            damaged: share of the samples from the pool that are damaged.
            changed: share of the samples from the pool that get another goal.

        Raises:
            ConfigError: fewer than two pictures, or more than the law has inputs; pictures larger than the grid.
            FileUnreadableError: no picture.
        """
        super().__init__(law, grid)
        inputs = getattr(law, "inputs", 0)
        if not 2 <= len(paths) <= inputs:
            raise ConfigError(
                f"[objective] paths: {len(paths)} given; expected two or more, and at most the law's {inputs} inputs"
            )
        self.targets = torch.stack([_placed(read_picture(path, size), grid, path) for path in paths])
        self.inputs, self.changed, self.damage = inputs, changed, Damage(damaged, ("disc", "half"))

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        """One live cell with its goal, and the goal's number."""
        goals = torch.randint(len(self.targets), (size,), generator=rng)
        cells = torch.zeros(size, self.law.channels, *self.grid)
        cells[:, :, self.grid[0] // 2, self.grid[1] // 2] = self.law.seed_cell()
        return self._told(cells, goals), goals

    def held_out(self, size: int, rng: torch.Generator) -> Batch:
        """Each goal in turn."""
        goals = torch.arange(size) % len(self.targets)
        return self._told(self.batch(size, rng)[0], goals), goals

    def reuse(self, batch: Batch, kept: Tensor, rng: torch.Generator) -> Batch:
        """Damages some of the samples from the pool, and changes the goals of some."""
        cells, goals = (tensor.clone() for tensor in batch)
        draw = random.Random(int(torch.randint(2**62, (), generator=rng)))  # noqa: S311 - no secret
        for i in kept.nonzero().flatten().tolist():
            chance = draw.random()
            if chance < self.damage.share:
                cells[i, : -self.inputs] *= ~self.damage.mask(self.grid[0], self.grid[1], draw)
            elif chance < self.damage.share + self.changed:
                goals[i] = draw.randrange(len(self.targets))
        return self._told(cells, goals), goals

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """As for growing one picture."""
        wanted = self.targets.to(cells)[batch[1]]
        own = cells[:, : -self.inputs]
        return F.mse_loss(cells[:, :COLOURS], wanted) + (own - own.clamp(-2, 2)).abs().mean()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        error = (cells[:, :COLOURS] - self.targets.to(cells)[batch[1]]).square().mean((1, 2, 3))
        by_goal = {f"error of goal {goal}": float(error[batch[1] == goal].mean()) for goal in range(len(self.targets))}
        return {"worst error": max(by_goal.values())} | by_goal

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """The pictures above, and what grows for each goal below."""
        shown = range(len(self.targets))
        rows: list[Any] = [dict(enumerate(self.targets[1:])), dict(enumerate(cells[1 : len(shown)]))]
        firsts = (self.targets[0], cells[0, :COLOURS])
        return np.concatenate([np.asarray(contact_sheet(row, first)) for row, first in zip(rows, firsts, strict=True)])

    def _told(self, cells: Tensor, goals: Tensor) -> Tensor:
        told = cells.clone()
        told[:, -self.inputs :] = F.one_hot(goals, self.inputs).to(cells)[:, :, None, None]
        return told


def _placed(picture: Tensor, grid: tuple[int, ...], path: str) -> Tensor:
    """A picture in the middle of a grid."""
    height, width = picture.shape[1:]
    if len(grid) != 2 or height > grid[0] or width > grid[1]:
        raise ConfigError(
            f"[objective] paths: {path}: {height} x {width} pixels on a grid of {list(grid)}; expected one that fits"
        )
    top, left = (grid[0] - height) // 2, (grid[1] - width) // 2
    return F.pad(picture, (left, grid[1] - width - left, top, grid[0] - height - top))
