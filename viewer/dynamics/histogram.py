"""The histogram of the displayed field over time. No Qt."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

_KEPT = 256  # samples
_SIDE = 96  # of the raster of sampled cells
BINS = 64


@dataclass(frozen=True)
class HistogramHistory:
    """Histograms of successive samples.

    Attributes:
        steps: `(n,)`, rising.
        edges: `(bins + 1,)` of the values, the same at all steps.
        shares: `(n, bins)`, shares of the cells, which add up to 1 at every step.
    """

    steps: NDArray[np.int64]
    edges: NDArray[np.float64]
    shares: NDArray[np.float64]


def histograms(rows: NDArray[np.float32], bins: int = BINS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares `(n, bins)` of the values of each row `(n, m)`, and the common edges `(bins + 1,)`; NaN and Inf are left out."""
    finite = np.isfinite(rows)
    low = float(rows.min(initial=np.inf, where=finite))
    high = float(rows.max(initial=-np.inf, where=finite))
    if not low < high:
        low, high = (low - 0.5, low + 0.5) if low == high else (0.0, 1.0)
    edges = np.linspace(low, high, bins + 1)
    bin_of = np.zeros(rows.shape, np.int64)
    bin_of[finite] = np.clip((rows[finite] - low) * (bins / (high - low)), 0, bins - 1).astype(np.int64)
    at = np.arange(len(rows))[:, None] * bins + bin_of
    counts = np.bincount(at[finite], minlength=len(rows) * bins).reshape(len(rows), bins)
    return counts / np.maximum(finite.sum(1, keepdims=True), 1), edges


class HistogramView:
    """Samples cells of the displayed field at every update."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None:
            return "There is no field to show."
        return SampleRequest(
            (settings.field,),
            "every",
            every=model.stride,
            size=_SIDE,
            nearest=True,
            universe=settings.universe,
            slice=settings.slice,
        )

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], HistogramHistory | None]:
        (field,) = request.fields
        kept: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=_KEPT)

        def collect(samples: list[Sample]) -> HistogramHistory | None:
            for sample in samples:
                if kept and sample.step <= kept[-1][0]:
                    kept.clear()  # it went back
                kept.append((sample.step, sample.values[field].astype(np.float32).ravel()))
            if not kept:
                return None
            shares, edges = histograms(np.stack([row for _, row in kept]))
            return HistogramHistory(np.array([step for step, _ in kept]), edges, shares)

        return collect
