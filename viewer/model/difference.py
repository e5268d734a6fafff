"""The difference of two frames. No Qt."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from viewer.model.frame import RenderedFrame


@dataclass(frozen=True)
class Difference:
    """The first of two frames minus the second.

    Attributes:
        frame: at the place of the second; its levels are symmetric about zero, and as wide as the largest difference.
        largest: the largest |difference| of the pixels. mean: the mean |difference|.
    """

    frame: RenderedFrame
    largest: float
    mean: float


def difference(first: RenderedFrame, second: RenderedFrame) -> Difference | None:
    """The difference, pixel by pixel; None while the frames do not show the same part in the same levels.

    Values between the levels are known to a 255th of them; values beyond them count as the levels. Frames of other numbers of
    pixels, as of a coarser recording, are compared at the pixels of the second. Of colours the mean is compared, of a mix as a
    share of full brightness.
    """
    if _scale(first) != _scale(second):
        return None
    if first.pixels.shape == second.pixels.shape and first.region != second.region:
        return None  # one of them has not yet followed the other's view
    one, other = _values(first), _values(second)
    rows, columns = (
        np.minimum((np.arange(wanted) + 0.5) * have / wanted, have - 1).astype(np.int64)
        for wanted, have in zip(other.shape, one.shape, strict=True)
    )
    between = one[np.ix_(rows, columns)] - other
    largest = float(np.abs(between).max())
    span = largest or 1.0
    pixels = np.round((between / span + 1) * 127.5).astype(np.uint8)
    shown = replace(second, pixels=pixels, levels=(-span, span), log=False, finite=first.finite and second.finite)
    shown = replace(shown, mix=(), other_levels=())
    return Difference(shown, largest, float(np.abs(between).mean()))


def _scale(frame: RenderedFrame) -> tuple[object, ...]:
    """What the pixels of a frame stand for."""
    return frame.levels, frame.log, frame.mix, frame.other_levels


def _values(frame: RenderedFrame) -> NDArray[np.float64]:
    """The values `(h, w)` that the pixels stand for."""
    pixels = frame.pixels.astype(np.float64)
    share = (pixels if pixels.ndim == 2 else pixels.mean(2)) / 255
    if frame.mix:
        return share
    low, high = frame.levels
    return low * (high / low) ** share if frame.log else low + share * (high - low)
