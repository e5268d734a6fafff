"""A pool of states that earlier training steps left, from which later ones begin, so that a law learns to last."""

from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, StateError
from aetheria.training.task import Batch


class SamplePool:
    """Samples with the cells that they have come to. The source of the idea is that of `GrowthPool`."""

    def __init__(self, size: int, batch: int, fresh: float) -> None:
        """
        Args:
            size: number of samples; 0 for no pool: every sample begins with its own first cells.
            batch: samples of a training step.
            fresh: share of a batch that is replaced by new samples.

        Raises:
            ConfigError: a pool smaller than a batch.
        """
        if 0 < size < batch:
            raise ConfigError(f"[train] pool: {size} given with batch {batch}; expected 0, or as many as the batch or more")
        self._size, self._fresh = size, round(fresh * batch) or int(fresh > 0)
        self._samples: Batch = ()
        self._filled = torch.zeros(size, dtype=torch.bool)

    def draw(self, batch: Batch, rng: torch.Generator) -> tuple[Batch, Tensor, Tensor]:
        """A batch of new samples, most replaced by those of the pool; their places in the pool; which ones are from there."""
        count = len(batch[0])
        if not self._size:
            return batch, torch.zeros(count, dtype=torch.int64), torch.zeros(count, dtype=torch.bool)
        slots = torch.randperm(self._size, generator=rng)[:count]
        if not self._samples:
            self._samples = tuple(tensor.new_zeros(self._size, *tensor.shape[1:]) for tensor in batch)
        kept = self._filled[slots]
        kept[: self._fresh] = False
        mixed = []
        for new, held in zip(batch, self._samples, strict=True):
            one = new.clone()
            one[kept] = held[slots[kept]]
            mixed.append(one)
        return tuple(mixed), slots, kept

    def store(self, slots: Tensor, batch: Batch, cells: Tensor) -> None:
        """Stores samples with the cells that they have come to; of cells that are not finite nothing is kept."""
        if not self._size:
            return
        for held, tensor in zip(self._samples, (cells, *batch[1:]), strict=True):
            held[slots] = tensor.detach().to(held)
        self._filled[slots] = cells.detach().isfinite().flatten(1).all(1).cpu()

    def state_dict(self) -> dict[str, Any]:
        """The samples."""
        return {"samples": [tensor.clone() for tensor in self._samples], "filled": self._filled.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the samples. Raises StateError when their number is another."""
        if state["filled"].shape != self._filled.shape:
            raise StateError(f"pool: {len(state['filled'])} states given; expected {self._size}")
        self._samples, self._filled = tuple(tensor.clone() for tensor in state["samples"]), state["filled"].clone()
