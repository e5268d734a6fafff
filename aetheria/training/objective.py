"""The interface of a training's objective: its batches, and their loss."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor

from aetheria.stepping.cpu.training_step import Step


class Objective(Protocol):
    """The objective of a training: its batches, and their loss."""

    def batches(self, first: int) -> AbstractContextManager["BatchSource"]:
        """The batches of the training, from step `first` to its end."""

    def loss(self, step: Step, batch: tuple[Tensor, ...], rng: torch.Generator) -> Tensor:
        """The mean loss over the samples of a batch, or of part of one; `step` steps the law."""

    def after_step(self) -> None:
        """Called after each step of the optimizer."""

    def state_dict(self) -> dict[str, Any]:
        """The state on which later batches depend, besides the number of the step."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""


class BatchSource(Protocol):
    """Batches: tensors whose first axis is the sample.

    Attributes:
        waited_s: seconds that the training waited for them.
    """

    waited_s: float

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]: ...
