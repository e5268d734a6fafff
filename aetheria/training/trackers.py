"""Where a training reports to: TensorBoard by default, or anything of this form."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Tracker(Protocol):
    """Whoever wants to follow a training. Called by the thread that trains, between two steps."""

    def numbers(self, step: int, values: dict[str, float]) -> None:
        """Loss, learning rate, throughput, memory, validation errors, by name."""

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        """A picture `(height, width, 3)`."""

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        """How values are distributed: the gradients of one parameter."""

    def close(self) -> None:
        """The training has ended."""


class TensorBoard:
    """Writes what `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            ImportError: tensorboard is not installed (extra `train`).
        """
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    def numbers(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        self._writer.add_histogram(name, values, step)

    def close(self) -> None:
        self._writer.close()


def default_trackers(folder: Path) -> list[Tracker]:
    """TensorBoard where it is installed; otherwise nobody."""
    try:
        return [TensorBoard(folder)]
    except ImportError:
        return []
