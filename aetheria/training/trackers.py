"""Trackers of a training: TensorBoard, or any object with the methods of `Tracker`."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Tracker(Protocol):
    """Receives the figures of a training, in the thread that trains, between two steps."""

    def numbers(self, step: int, values: dict[str, float]) -> None:
        """Loss, learning rate, throughput, memory, validation errors, by name."""

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        """A picture `(height, width, 3)`."""

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        """The distribution of values: the gradients of one parameter."""

    def close(self) -> None:
        """Called at the end of the training."""


class TensorBoard:
    """Writes the event files that `tensorboard --logdir FOLDER` shows."""

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


class Guarded:
    """A tracker that gets nothing more, and a warning, once it has raised an error: a training does not end by it."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker: Tracker | None = tracker

    def numbers(self, step: int, values: dict[str, float]) -> None:
        self._ask(lambda tracker: tracker.numbers(step, values))

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        self._ask(lambda tracker: tracker.picture(step, name, pixels))

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        self._ask(lambda tracker: tracker.histogram(step, name, values))

    def close(self) -> None:
        self._ask(lambda tracker: tracker.close())

    def _ask(self, call: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            call(self._tracker)
        except Exception as error:  # noqa: BLE001 - it is another program's
            _warn(type(self._tracker).__name__, error)
            self._tracker = None


def _warn(name: str, error: Exception) -> None:
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    warnings.warn(f"{name} is dropped, the training goes on without it: {said}", RuntimeWarning, stacklevel=2)


@contextmanager
def open_trackers(given: Sequence[Tracker] | None, folder: Path, default: bool = True) -> Iterator[Sequence[Tracker]]:
    """The given trackers, guarded, closed after the block.

    Args:
        given: None for TensorBoard in the folder, if `default` and if it is installed.
        folder: of the training.
        default: whether None stands for TensorBoard or for no tracker.
    """
    with ExitStack() as stack:
        if given is None:
            given = default_trackers(folder / "tensorboard") if default else []
        trackers = [Guarded(tracker) for tracker in given]
        for tracker in trackers:
            stack.callback(tracker.close)
        yield trackers


def default_trackers(folder: Path) -> list[Tracker]:
    """TensorBoard if it is installed and can be opened; otherwise none."""
    try:
        return [TensorBoard(folder)]
    except ImportError:
        return []
    except Exception as error:  # noqa: BLE001 - packages that do not fit each other raise anything
        _warn("TensorBoard", error)
        return []
