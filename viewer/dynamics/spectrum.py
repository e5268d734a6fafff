"""The radial power spectrum of the displayed field. No Qt."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource


@dataclass(frozen=True)
class Spectrum:
    """Mean power at each wave number.

    Attributes:
        step: step of the field.
        waves: wave numbers `(n,)` in cycles per cell, rising; 1 / waves are wavelengths in cells.
        power: `(n,)` in the squared unit of the field.
    """

    step: int
    waves: NDArray[np.float64]
    power: NDArray[np.float64]

    @property
    def peak(self) -> float | None:
        """The wavelength of the largest power in cells; None for an even field."""
        if not len(self.power) or not self.power.max() > 0:
            return None
        return float(1 / self.waves[self.power.argmax()])


def radial_spectrum(
    values: NDArray[np.float64], cell: tuple[float, float] = (1.0, 1.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wave numbers, and the mean of |FFT(x - mean)|^2 / N^2 over the waves of about that number.

    Waves are counted in rings as wide as one wave along the longest side, up to the shortest wave that both axes resolve. The
    power of all waves, not only the mean of each ring, would add up to the variance (Parseval).

    Args:
        values: `(h, w)`, taken as periodic.
        cell: (height, width) of a value in cells.
    """
    height, width = values.shape
    power = np.abs(np.fft.fft2(values - values.mean())) ** 2 / values.size**2
    sides = [side * size for side, size in zip(values.shape, cell, strict=True)]
    across, along = np.fft.fftfreq(height, cell[0]), np.fft.fftfreq(width, cell[1])
    ring = np.rint(np.hypot(across[:, None], along[None]) * max(sides)).astype(np.int64)
    resolved = [size for side, size in zip(values.shape, cell, strict=True) if side > 1]
    last = int(max(sides) / (2 * max(resolved, default=1.0)))
    counts = np.bincount(ring.ravel(), minlength=last + 1)[1 : last + 1]
    sums = np.bincount(ring.ravel(), power.ravel(), last + 1)[1 : last + 1]
    found = counts > 0  # of a long strip, none between those along the short side
    return (np.arange(1, last + 1) / max(sides))[found], sums[found] / counts[found]


class SpectrumView:
    """Samples the whole plane of the displayed field."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None:
            return "There is no field to show."
        return SampleRequest((settings.field,), universe=settings.universe, slice=settings.slice)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Spectrum | None]:
        def collect(samples: list[Sample]) -> Spectrum | None:
            return spectrum_of(samples[-1], request.fields[0]) if samples else None

        return collect


def spectrum_of(sample: Sample, field: str) -> Spectrum | None:
    """The spectrum of a sample; None where it holds NaN or Inf."""
    values = sample.values[field]
    if not np.isfinite(values).all():
        return None
    return Spectrum(sample.step, *radial_spectrum(values, sample.cell))
