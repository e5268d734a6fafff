"""The activity of each channel over time. No Qt."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

_KEPT = 4096  # pairs
_SIDE = 128  # of the raster of sampled cells
_MOST = 32  # channels
_PARTS = ("channel", "real", "imag")  # fields that are the cells as they are stored


@dataclass(frozen=True)
class ActivityHistory:
    """Activity of several channels.

    Attributes:
        names: of the channels, or of other fields where the source has no channels.
        steps: `(n,)`, rising.
        values: `(n, channels)`, in the unit of a channel per step.
    """

    names: tuple[str, ...]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]


def activity(before: NDArray[np.float64], after: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Mean over the cells of |change| per step, `(channels,)`, of two states `(channels, h, w)` so many steps apart."""
    return np.abs(after - before).mean((-2, -1)) / steps


class ActivityView:
    """Samples all channels in pairs of frames."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None:
            return "There is no field to show."
        names = [choice.name for choice in source.fields]
        parts = sorted(name for name in names if name.rpartition("_")[0] in _PARTS)
        parts.sort(key=lambda name: (name.rpartition("_")[0], int(name.rpartition("_")[2])))
        fields = tuple(parts[:_MOST]) or (settings.field,)
        return SampleRequest(fields, "pairs", size=_SIDE, nearest=True, universe=settings.universe, slice=settings.slice)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], ActivityHistory | None]:
        kept: deque[tuple[int, NDArray[np.float64]]] = deque(maxlen=_KEPT)

        def collect(samples: list[Sample]) -> ActivityHistory | None:
            if len(samples) > 1 and samples[0].step < samples[1].step:
                before, after = (np.stack([sample.values[name] for name in request.fields]) for sample in samples[:2])
                step = samples[1].step
                if kept and step <= kept[-1][0]:
                    kept.clear()  # it went back
                kept.append((step, activity(before, after, step - samples[0].step)))
            if not kept:
                return None
            return ActivityHistory(
                request.fields, np.array([step for step, _ in kept]), np.stack([values for _, values in kept])
            )

        return collect
