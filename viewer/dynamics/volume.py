"""Volumes to be seen from any direction: a grid of three axes, and the past frames of a plane. No Qt."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

_SIDE, _PLANE_SIDE = 64, 96  # of a volume, and of a past frame
_KEPT = 64  # past frames
_NO_COLOURS = 'Colours ("rgb") are no single value; N shows another field.'


@dataclass(frozen=True)
class Volume:
    """Values of a field in space, or in a plane and time.

    Attributes:
        field: the field.
        values: `(d, h, w)`; of past frames the newest is the last.
        caption: the step, or steps.
    """

    field: str
    values: NDArray[np.float64]
    caption: str


class VolumeView:
    """Samples the whole of a grid of three axes."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None or settings.slice is None:
            return "Only grids of three dimensions are shown in space; Past frames (Ctrl+Alt+8) shows a plane and time."
        if settings.field == "rgb":
            return _NO_COLOURS
        return SampleRequest((settings.field,), size=_SIDE, universe=settings.universe)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Volume | None]:
        (field,) = request.fields

        def collect(samples: list[Sample]) -> Volume | None:
            return Volume(field, samples[-1].values[field], f"step {samples[-1].step:,}") if samples else None

        return collect


class PastFramesView:
    """Samples the displayed plane at every update, and stacks the newest frames."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None:
            return "There is no field to show."
        if settings.field == "rgb":
            return _NO_COLOURS
        return SampleRequest(
            (settings.field,), "every", every=model.stride, size=_PLANE_SIDE, universe=settings.universe, slice=settings.slice
        )

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Volume | None]:
        (field,) = request.fields
        kept: deque[Sample] = deque(maxlen=_KEPT)

        def collect(samples: list[Sample]) -> Volume | None:
            for sample in samples:
                if kept and sample.step <= kept[-1].step:
                    kept.clear()  # it went back
                kept.append(sample)
            if not kept:
                return None
            values = np.stack([sample.values[field] for sample in kept])
            return Volume(field, values, f"steps {kept[0].step:,} to {kept[-1].step:,}, the newest on top")

        return collect
