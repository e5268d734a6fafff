"""Batches of windows for the training steps, read ahead while the step before is computed."""

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
from aetheria.training.trajectories import TrajectoryDataset, WindowSample

_AHEAD = 2  # batches read ahead by each worker process
_POLL_S = 0.1


class SampleSchedule(Sampler[list[WindowSample]]):
    """The samples of steps first..last-1: windows, numbers of frames and crops, drawn from seed and step alone."""

    def __init__(
        self,
        windows: int,
        batch: int,
        frames: Callable[[int], int],
        first: int,
        last: int,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        """
        Args:
            windows: number of windows, drawn with replacement.
            batch: samples of a step.
            frames: gives the frames of a window at a step.
            processes: that share each batch; this one gets its part.
        """
        self._windows, self._batch, self._frames = windows, batch, frames
        self._steps, self._seed, self._processes = range(first, last), seed, processes

    def __iter__(self) -> Iterator[list[WindowSample]]:
        for step in self._steps:
            rng = random.Random(f"{self._seed} {step}")  # noqa: S311 - no secret
            samples = [
                WindowSample(rng.randrange(self._windows), self._frames(step), rng.getrandbits(48)) for _ in range(self._batch)
            ]
            yield list(self._processes.share(samples))

    def __len__(self) -> int:
        return len(self._steps)


class Batches:
    """Iterates over batches `(B, frames, C, h, w)` on a device, read by a thread or by worker processes with their own files.

    Attributes:
        waited_s: seconds that the training waited for data.
    """

    def __init__(self, dataset: TrajectoryDataset, schedule: SampleSchedule, device: torch.device, workers: int = 0) -> None:
        """
        Args:
            workers: number of processes that read; 0 for a thread of this process.
        """
        self.waited_s = 0.0
        self._dataset, self._device = dataset, device
        pinned = device.type == "cuda"
        self._source: Iterator[Tensor]
        if workers:
            # Not "fork": a child would share the parent's open HDF5 files, and its locks in whatever state they are.
            settings: dict[str, Any] = {"prefetch_factor": _AHEAD, "multiprocessing_context": "spawn"}
            self._source = iter(DataLoader(dataset, batch_sampler=schedule, num_workers=workers, pin_memory=pinned, **settings))
        else:
            self._source = _Reader(dataset, schedule, pinned)

    def __iter__(self) -> Iterator[tuple[Tensor]]:
        while True:
            began = time.perf_counter()
            batch = next(self._source, None)
            self.waited_s += time.perf_counter() - began
            if batch is None:
                return
            yield (batch.to(self._device, non_blocking=True),)
            del batch  # frees its memory before the next is waited for

    def close(self) -> None:
        """Stops reading, ends the workers and closes the files. May be called at any time, and more than once."""
        if isinstance(self._source, _Reader):
            self._source.close()
        self._source = iter(())  # worker processes end with their loader's iterator
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Reader(Iterator[Tensor]):
    """Reads ahead in a thread, which decompresses while torch computes: one batch is ready, and the next is being read."""

    def __init__(self, dataset: TrajectoryDataset, schedule: SampleSchedule, pinned: bool) -> None:
        self._queue: queue.Queue[Tensor | BaseException | None] = queue.Queue(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(dataset, schedule, pinned), name="training data", daemon=True)
        self._thread.start()

    def __next__(self) -> Tensor:
        found = self._queue.get()
        if isinstance(found, Tensor):
            return found
        self._put(found)  # the next call gets the same
        if found is None:
            raise StopIteration
        raise found

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self, dataset: TrajectoryDataset, schedule: SampleSchedule, pinned: bool) -> None:
        last: BaseException | None = None
        try:
            for samples in schedule:
                batch = dataset.batch(samples)
                self._put(batch.pin_memory() if pinned else batch)
                del batch  # frees its memory before the next is read
                if self._stop.is_set():
                    return
        except AetheriaError as error:
            last = error
        except Exception as error:  # noqa: BLE001 - any error is raised again in the thread that trains
            last = error
        self._put(last)

    def _put(self, item: Tensor | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
