"""The pool of states from which a law learns to grow a picture, to keep it and to heal it.

Source: A. Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020, doi:10.23915/distill.00023.
"""

import random
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.core.errors import ConfigError, StateError
from aetheria.laws.base import Law
from aetheria.motor.state import fresh_memory
from aetheria.stepping.cpu.training_step import Step
from aetheria.training.damage import Damage
from aetheria.training.rollout import last_state

COLOURS = 4  # the first channels: red, green and blue premultiplied by alpha, and alpha


@dataclass(frozen=True)
class GrowthBatch:
    """The batch of a training step.

    Attributes:
        cells: `(B, C, H, W)`: the first is one live cell, the last ones are damaged, all others are from the pool.
        memory: of the law, fresh, with new seeds.
        slots: `(B,)`, their indices in the pool.
        steps: of the law to take.
    """

    cells: Tensor
    memory: tuple[Tensor, ...]
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
        law: Law,
        picture: Tensor,
        grid: tuple[int, int],
        *,
        pool: int = 256,
        batch: int = 8,
        damaged: int = 2,
        steps: tuple[int, int] = (48, 80),
        seed: int = 0,
        damage: Damage | None = None,
        checkpoint: int | None = None,
    ) -> None:
        """
        Args:
            picture: `(4, h, w)`, red, green and blue premultiplied by alpha, then alpha.
            pool: number of states.
            damaged: states of a batch that are damaged: a disc, or everything on one side of a line, is removed.
            steps: fewest and most steps of the law in a training step.
            damage: its shapes, share and schedule, instead of `damaged`.
            checkpoint: steps between cells stored for the gradients; None for all.

        Raises:
            StateError: the picture is larger than the grid. ConfigError: numbers that do not fit together.
        """
        height, width = picture.shape[1:]
        if height > grid[0] or width > grid[1]:
            raise StateError(
                f"picture: {height} x {width} pixels on a grid of {grid[0]} x {grid[1]} cells; expected one that fits: "
                "a larger grid, or a smaller `size`"
            )
        if not 1 <= batch <= pool or not (damage or 0 <= damaged < batch):
            raise ConfigError(f"pool {pool}, batch {batch}, damaged {damaged}: expected damaged < batch <= pool")
        if not 1 <= steps[0] <= steps[1]:
            raise ConfigError(f"steps: {list(steps)} given; expected fewest and most, from 1")
        if law.channels < COLOURS:
            raise ConfigError(f"[law] {law.name} has {law.channels} channels; a picture needs {COLOURS} or more (RGBA)")
        self._law, self._batch, self._steps, self._seed, self._checkpoint = law, batch, steps, seed, checkpoint
        self._damage = damage or Damage(damaged / batch)
        top, left = (grid[0] - height) // 2, (grid[1] - width) // 2
        self._place = (top, left, height, width)
        self.target = F.pad(picture, (left, grid[1] - width - left, top, grid[0] - height - top))
        self.start = law.rest_cell()[:, None, None].repeat(1, *grid)
        self.start[:, grid[0] // 2, grid[1] // 2] = law.seed_cell()
        self.pool = self.start.repeat(pool, 1, 1, 1)

    @property
    def batch(self) -> int:
        """Number of states of a batch."""
        return self._batch

    def set_batch(self, batch: int) -> None:
        """Sets the number of states of a batch, at most as many as the pool has."""
        self._batch = min(batch, len(self.pool))

    def draw(self, number: int, progress: float = 1.0) -> GrowthBatch:
        """The batch of training step `number`, at a share of the training."""
        rng = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        slots = torch.tensor(rng.sample(range(len(self.pool)), self._batch))
        cells = self.pool[slots]
        order = self.error(cells).argsort(descending=True)
        slots, cells = slots[order], cells[order]
        cells[0] = self.start
        for i in range(self._batch - self._damage.count(self._batch, progress), self._batch):
            cells[i] *= ~self._damage.mask(cells.shape[2], cells.shape[3], rng).to(cells.device)
        memory = fresh_memory(self._law, cells, rng.getrandbits(48))
        return GrowthBatch(cells, memory, slots, rng.randint(*self._steps))

    def grow(self, step: Step, cells: Tensor, memory: tuple[Tensor, ...], steps: int) -> Tensor:
        """The cells after `steps` steps."""
        return last_state(step, (cells, *memory), steps, self._checkpoint)[0]

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
