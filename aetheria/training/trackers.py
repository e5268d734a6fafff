"""Trackers of a training: TensorBoard, or any object with the methods of `Tracker`."""

import csv
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aetheria.core.errors import ConfigError, nearest


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


class CSV:
    """Writes the numbers to `figures.csv` as rows (step, name, value), and pictures to PNG files beside it."""

    def __init__(self, folder: Path) -> None:
        """Adds to the files of the folder `csv`, which is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, path = folder, folder / "figures.csv"
        began = path.exists()
        self._file = path.open("a", newline="", buffering=1)
        self._rows = csv.writer(self._file)
        if not began:
            self._rows.writerow(("step", "name", "value"))

    def numbers(self, step: int, values: dict[str, float]) -> None:
        self._rows.writerows((step, name, f"{value:.6g}") for name, value in values.items())

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        Image.fromarray(pixels).save(self._folder / f"step_{step:06}.png")

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        mean, deviation = float(values.float().mean()), float(values.float().std(correction=0))
        self.numbers(step, {f"{name}: mean": mean, f"{name}: standard deviation": deviation})

    def close(self) -> None:
        self._file.close()


class WandB:
    """Sends the figures to Weights & Biases; to a folder on this machine, for `wandb sync`, where nobody is logged in."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            ImportError: wandb is not installed.
        """
        import wandb

        # Without a key wandb would ask for one, and wait for the answer.
        mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
        folder.mkdir(parents=True, exist_ok=True)
        self._wandb: Any = wandb
        self._run: Any = wandb.init(project="aetheria", name=folder.parent.name, dir=str(folder), mode=mode)

    def numbers(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        self._run.log({name: self._wandb.Image(pixels)}, step=step)

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        self._run.log({name: self._wandb.Histogram(values.detach().cpu().numpy())}, step=step)

    def close(self) -> None:
        self._run.finish()


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
            _warn(getattr(self._tracker, "name", type(self._tracker).__name__), error)
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


NAMED: dict[str, type[TensorBoard] | type[WandB] | type[CSV]] = {"tensorboard": TensorBoard, "wandb": WandB, "csv": CSV}


def named_trackers(names: Sequence[str], folder: Path) -> list[Tracker]:
    """Trackers by name, opened at their first use: one that cannot be opened is dropped with a warning.

    Args:
        folder: of the training; each tracker has a folder of its own name in it.

    Raises:
        ConfigError: an unknown name.
    """
    for name in names:
        if name not in NAMED:
            raise ConfigError(f"--track: {name} given; {nearest(name, list(NAMED))}")
    return [Late(NAMED[name], folder / name) for name in dict.fromkeys(names)]


class Late:
    """A tracker that is opened when it gets its first figures, after the folder of the training was made."""

    def __init__(self, kind: Callable[[Path], Tracker], folder: Path) -> None:
        self._kind, self._folder, self.name = kind, folder, folder.name
        self._tracker: Tracker | None = None

    @property
    def _opened(self) -> Tracker:
        if self._tracker is None:
            self._tracker = self._kind(self._folder)
        return self._tracker

    def numbers(self, step: int, values: dict[str, float]) -> None:
        self._opened.numbers(step, values)

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        self._opened.picture(step, name, pixels)

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        self._opened.histogram(step, name, values)

    def close(self) -> None:
        if self._tracker is not None:
            self._tracker.close()


def default_trackers(folder: Path) -> list[Tracker]:
    """TensorBoard if it is installed and can be opened; otherwise none."""
    try:
        return [TensorBoard(folder)]
    except ImportError:
        return []
    except Exception as error:  # noqa: BLE001 - packages that do not fit each other raise anything
        _warn("TensorBoard", error)
        return []
