"""The recurrence of frames: how near each one is to each other. No Qt."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from aetheria.measures import period
from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

_KEPT = 128  # frames
_SIDE = 96


@dataclass(frozen=True)
class Recurrence:
    """Distances of successive frames.

    Attributes:
        steps: `(n,)`, rising.
        distances: `(n, n)`, root mean square of the differences of two frames, in the unit of the field.
        period: steps after which the newest frame had come back, at any place of the torus; 0 where it did not.
    """

    steps: NDArray[np.int64]
    distances: NDArray[np.float64]
    period: int


class RecurrenceCollector:
    """Keeps the newest frames and their distances."""

    def __init__(self, field: str, kept: int = _KEPT) -> None:
        self._field, self._kept = field, kept
        self._forget()

    def _forget(self) -> None:
        self._steps: list[int] = []
        self._frames: list[NDArray[np.float64]] = []
        self._distances = np.zeros((0, 0))

    def __call__(self, samples: list[Sample]) -> Recurrence | None:
        """Adds samples; a step before the last one begins anew."""
        for sample in samples[-self._kept :]:
            self._add(sample.step, sample.values[self._field])
        if not self._steps:
            return None
        return Recurrence(np.array(self._steps), self._distances.copy(), self._period())

    def _add(self, step: int, frame: NDArray[np.float64]) -> None:
        if self._steps and step <= self._steps[-1]:
            self._forget()
        if len(self._steps) == self._kept:
            del self._steps[0], self._frames[0]
            self._distances = self._distances[1:, 1:]
        far = np.array([np.sqrt(np.mean((frame - other) ** 2)) for other in self._frames])
        self._steps.append(step)
        self._frames.append(frame)
        self._distances = np.pad(self._distances, (0, 1))
        self._distances[-1, :-1] = self._distances[:-1, -1] = far

    def _period(self) -> int:
        if not np.isfinite(self._frames[-1]).all():
            return 0
        back = int(period([torch.from_numpy(frame) for frame in self._frames]))
        return self._steps[-1] - self._steps[-1 - back] if back else 0


class RecurrenceView:
    """Samples the displayed field at every update."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None:
            return "There is no field to show."
        return SampleRequest(
            (settings.field,), "every", every=model.stride, size=_SIDE, universe=settings.universe, slice=settings.slice
        )

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Recurrence | None]:
        return RecurrenceCollector(request.fields[0])
