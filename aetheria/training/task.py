"""`Task`: base of objectives of one's own, a loss and whatever else differs from the defaults."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.training.strips import strip

Batch = tuple[Tensor, ...]
Loss = Callable[[Tensor, Batch], Tensor]
Figures = dict[str, float]
_SHOWN = 8  # samples in a picture


class Task:
    """An objective: batches of samples, and the loss of the cells that a law makes of their first cells.

    Only `loss` must be given. The parameters of a subclass are keys of a config's table `[objective]`; its constructor
    takes the law and the grid first, as `def __init__(self, law, grid, /, *, sharpness: float = 1.0)`.

    Attributes:
        law: in training.
        grid: sides of the grid.
        progress: share of the training done, 0..1, set before each call of `batch`.
    """

    def __init__(self, law: Law, grid: tuple[int, ...], /) -> None:
        self.law, self.grid = law, grid
        self.progress = 0.0

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        """A batch on the CPU, drawn with `rng` alone: first cells `(size, C, *grid)`, then whatever the loss needs.

        The first axis of each tensor is the sample. The default: the law's random cells.
        """
        return (torch.stack([self.law.random_cells(self.grid, rng) for _ in range(size)]),)

    def held_out(self, size: int, rng: torch.Generator) -> Batch:
        """A batch for validation: with data, of samples that `batch` never gives. The default: as `batch`."""
        return self.batch(size, rng)

    def reuse(self, batch: Batch, kept: Tensor, rng: torch.Generator) -> Batch:
        """The batch with changes to the samples `kept` `(size,)` bool that come from the pool. The default: none."""
        return batch

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """The mean loss `()` of cells `(B, C, *grid)` after the rollout from `batch[0]`."""
        raise NotImplementedError

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        """Figures of a validation by name; the first is the error: the lowest marks the best weights. The default: the loss."""
        return {"loss": float(self.loss(cells, batch))}

    def after_training(self, law: Law) -> Figures:
        """More figures of the trained law, in eval mode. The default: none."""
        return {}

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """A picture `(height, width, 3)` of a validation. The default: first cells above, cells after the rollout below."""
        return np.asarray(strip(self.law, [batch[0][:_SHOWN], cells[:_SHOWN]]))

    def close(self) -> None:
        """Called at the end of the training; closes files."""


class FunctionTask(Task):
    """The task of a loss that is a function `(cells, batch) -> scalar`; its batches are the law's random cells."""

    def __init__(self, law: Law, grid: tuple[int, ...], /, *, function: Loss) -> None:
        super().__init__(law, grid)
        self._function = function

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        return self._function(cells, batch)


def is_task(thing: Any) -> bool:
    """Whether it is a subclass of `Task`."""
    return isinstance(thing, type) and issubclass(thing, Task)
