"""Renders values of a field as frames for display. No Qt."""

import time
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria.observe.downsample import downsample, finite, interleaved, quantise, sample
from viewer.model.frame import RenderedFrame
from viewer.model.palette import fitted_levels, mix_key, mixed
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
        self._levels: tuple[ViewSettings, tuple[Levels, ...]] | None = None
        self._levels_due = 0.0

    def render(self, step: int, frame_request: FrameRequest, region: Region, values: Tensor, moving: bool) -> RenderedFrame:
        """A frame of the values `(1, [3,] h, w)` of a region, which may be a part of the requested one.

        Args:
            values: of a mix `(1, n, h, w)`, its fields.
            moving: the values change all the time; the levels then follow them gradually.
        """
        settings = frame_request.view_settings
        fields = [values] if settings.mix is None else list(values.unbind(1))
        levels = self._find_levels(step, settings, fields, moving)
        height, width = frame_request.size
        rows = max(1, round(height * region.height / frame_request.region.height))
        columns = max(1, round(width * region.width / frame_request.region.width))
        reduced = [
            downsample(one, (rows, columns), self._choices[name].cyclic)
            for name, one in zip(settings.fields, fields, strict=True)
        ]
        pixels = [
            interleaved(quantise(one, ends, log=settings.log)[0].numpy()) for one, ends in zip(reduced, levels, strict=True)
        ]
        return RenderedFrame(
            step,
            settings.field,
            settings.universe,
            region,
            pixels[0] if settings.mix is None else mixed(pixels, settings, self._choices),
            levels[0],
            all(bool(finite(one)) for one in reduced),  # a mean over NaN or Inf is not finite either
            settings.slice,
            settings.log,
            mix_key(settings.mix),
            levels[1:],
        )

    def _find_levels(self, step: int, settings: ViewSettings, fields: list[Tensor], moving: bool) -> tuple[Levels, ...]:
        now, measured = time.monotonic(), settings.measured
        same = self._levels is not None and self._levels[0] == measured
        before = self._levels[1] if self._levels is not None and same and moving else None
        if before is not None and now < self._levels_due:
            return before
        seen = [sample(values, (_SAMPLE, _SAMPLE)).numpy() for values in fields]
        self.samples.append((step, seen[0]))
        levels = tuple(
            fitted_levels(settings.of_field(k), self._choices[name], seen[k], None if before is None else before[k])
            for k, name in enumerate(settings.fields)
        )
        self._levels, self._levels_due = (measured, levels), now + _LEVELS_S
        return levels
