"""Renders values of a field as frames for display. No Qt."""

import time
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria.observe.downsample import downsample, finite, interleaved, quantise, sample
from viewer.model.frame import RenderedFrame
from viewer.model.palette import fitted_levels
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice, FrameRequest, Levels, ViewSettings

_LEVELS_S = 0.25  # seconds between updates of the levels while the values change
_SAMPLE = 128  # side of the sample of values for the levels


class FrameRenderer:
    """Averages values to the size of a request and quantises them between levels, which follow the values.

    Attributes:
        samples: the newest sample of the values: its step, and values `(1, [3,] h, w)`.
    """

    def __init__(self, choices: Mapping[str, FieldChoice]) -> None:
        self.samples: deque[tuple[int, NDArray[np.generic]]] = deque(maxlen=1)
        self._choices = choices
        self._levels: tuple[ViewSettings, Levels] | None = None
        self._levels_due = 0.0

    def render(self, step: int, frame_request: FrameRequest, region: Region, values: Tensor, moving: bool) -> RenderedFrame:
        """A frame of the values `(1, [3,] h, w)` of a region, which may be a part of the requested one.

        Args:
            moving: the values change all the time; the levels then follow them gradually.
        """
        settings = frame_request.view_settings
        levels = self._find_levels(step, settings, values, moving)
        height, width = frame_request.size
        rows = max(1, round(height * region.height / frame_request.region.height))
        columns = max(1, round(width * region.width / frame_request.region.width))
        reduced = downsample(values, (rows, columns), self._choices[settings.field].cyclic)
        return RenderedFrame(
            step,
            settings.field,
            settings.universe,
            region,
            interleaved(quantise(reduced, levels, log=settings.log)[0].numpy()),
            levels,
            bool(finite(reduced)),  # a mean over NaN or Inf is not finite either
            settings.slice,
            settings.log,
        )

    def _find_levels(self, step: int, settings: ViewSettings, values: Tensor, moving: bool) -> Levels:
        now, settings = time.monotonic(), settings.measured
        same = self._levels is not None and self._levels[0] == settings
        before = self._levels[1] if self._levels is not None and same and moving else None
        if before is not None and now < self._levels_due:
            return before
        seen = sample(values, (_SAMPLE, _SAMPLE)).numpy()
        self.samples.append((step, seen))
        levels = fitted_levels(settings, self._choices[settings.field], seen, before)
        self._levels, self._levels_due = (settings, levels), now + _LEVELS_S
        return levels
