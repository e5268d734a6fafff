"""Batches of windows for each training step, read ahead while the step before computes."""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from aetheria.core.errors import AetheriaError
from aetheria.training.distributed import ALONE, Processes
from aetheria.training.trajectories import Sample, TrajectoryDataset

_AHEAD = 2  # batches that wait, for each reading process
_POLL_S = 0.1


class Draws(Sampler[list[Sample]]):
    """The samples of steps first..last-1: which windows, how many frames, which crops. Known from seed and step alone."""

    def __init__(
        self, windows: int, batch: int, frames: Callable[[int], int], first: int, last: int, seed: int, us: Processes = ALONE
    ) -> None:
        """
        Args:
            windows: how many to draw from, with replacement.
            batch: samples of a step.
            frames: of a window, at a step.
            us: of whose processes each takes its share.
        """
        self._windows, self._batch, self._frames = windows, batch, frames
        self._steps, self._seed, self._us = range(first, last), seed, us

    def __iter__(self) -> Iterator[list[Sample]]:
        for step in self._steps:
            chance = random.Random(f"{self._seed} {step}")  # noqa: S311 - no secret
            samples = [
                Sample(chance.randrange(self._windows), self._frames(step), chance.getrandbits(48)) for _ in range(self._batch)
            ]
            yield list(self._us.share(samples))

    def __len__(self) -> int:
        return len(self._steps)


class Batches:
    """Iterates over `(B, frames, C, h, w)` on a device; read by a thread, or by worker processes with handles of their own.

    Attributes:
        waited_s: seconds the training waited for data.
    """

    def __init__(self, dataset: TrajectoryDataset, draws: Draws, device: torch.device, workers: int = 0) -> None:
        """
        Args:
            workers: processes that read; with 0, a thread of this process does.
        """
        self.waited_s = 0.0
        self._dataset, self._device = dataset, device
        pinned = device.type == "cuda"
        self._source: Iterator[Tensor]
        if workers:
            # Not "fork": a child would share the parent's open HDF5 files, and its locks in whatever state they are.
            settings: dict[str, Any] = {"prefetch_factor": _AHEAD, "multiprocessing_context": "spawn"}
            self._source = iter(DataLoader(dataset, batch_sampler=draws, num_workers=workers, pin_memory=pinned, **settings))
        else:
            self._source = _Reader(dataset, draws, pinned)

    def __iter__(self) -> Iterator[tuple[Tensor]]:
        while True:
            began = time.perf_counter()
            batch = next(self._source, None)
            self.waited_s += time.perf_counter() - began
            if batch is None:
                return
            yield (batch.to(self._device, non_blocking=True),)
            del batch  # while the next is waited for, there is no need of it

    def close(self) -> None:
        """Stops reading, ends the workers and closes the files. May be called at any time, and twice."""
        if isinstance(self._source, _Reader):
            self._source.close()
        self._source = iter(())  # worker processes end with their loader's iterator
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Reader(Iterator[Tensor]):
    """Reads ahead in a thread: chunks are inflated while torch computes. One batch waits, and the next is being read."""

    def __init__(self, dataset: TrajectoryDataset, draws: Draws, pinned: bool) -> None:
        self._queue: queue.Queue[Tensor | BaseException | None] = queue.Queue(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(dataset, draws, pinned), name="training data", daemon=True)
        self._thread.start()

    def __next__(self) -> Tensor:
        found = self._queue.get()
        if isinstance(found, Tensor):
            return found
        self._put(found)  # whoever asks again hears the same
        if found is None:
            raise StopIteration
        raise found

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self, dataset: TrajectoryDataset, draws: Draws, pinned: bool) -> None:
        last: BaseException | None = None
        try:
            for samples in draws:
                batch = dataset.batch(samples)
                self._put(batch.pin_memory() if pinned else batch)
                del batch  # or it would be there until the next is read
                if self._stop.is_set():
                    return
        except AetheriaError as error:
            last = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the thread that trains
            last = error
        self._put(last)

    def _put(self, item: Tensor | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
