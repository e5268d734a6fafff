"""Levels, histograms and colour tables. No Qt."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aetheria.observe.colour_maps import with_gamma
from aetheria.observe.first_field import STORED
from aetheria.runs.config import RunConfig
from viewer.model.plane import Plane
from viewer.model.view_settings import FieldChoice, LevelMode, Levels, Mix, ViewSettings

_BINS = 64
_SLACK = 0.02  # of the span: smaller changes of the levels are ignored, so that a steady view does not flicker
_DECADES = 1e-6  # share of the highest value at which a logarithmic scale begins at the lowest
_SHRINK = 0.5  # share by which too wide levels approach the visible range at each update


@dataclass(frozen=True)
class Histogram:
    """Counts of values between `len(counts) + 1` edges."""

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]


def first_view_settings(fields: Sequence[FieldChoice], plane: Plane, config: RunConfig | None) -> ViewSettings:
    """The first field, with slice, colours, levels, log and gamma of the config's [picture] table if that is for this field."""
    settings = ViewSettings(fields[0].name, slice=plane.slice)
    picture = config.picture if config is not None else None
    equal = (None, settings.field, *([STORED] if settings.field in ("alive", "state") else ()))
    if picture is None or picture.field not in equal:
        return settings
    cuts = [] if picture.slice is None else [(axis, cut) for axis, cut in picture.slice.items() if axis in plane.axes]
    if plane.slice is not None and len(cuts) == 1:
        axis, cut = cuts[0]
        settings = replace(settings, slice=plane.with_slice(axis, cut).slice)  # type: ignore[arg-type]
    levels = (picture.levels[0], picture.levels[1]) if picture.levels else None
    mode: LevelMode = "locked" if levels else "auto"
    return replace(settings, colours=picture.colour_map, level_mode=mode, levels=levels, log=picture.log, gamma=picture.gamma)


def colour_table(settings: ViewSettings, choice: FieldChoice) -> NDArray[np.uint8]:
    """The 256 colours `(256, 3)` of a view."""
    return with_gamma(settings.colours or choice.colours, settings.gamma)


def mix_key(mix: Mix | None) -> tuple[str, ...]:
    """Kind and fields of a mix, as a frame names them."""
    return () if mix is None else (mix.kind, *mix.fields)


def mixed(planes: Sequence[NDArray[np.uint8]], settings: ViewSettings, choices: Mapping[str, FieldChoice]) -> NDArray[np.uint8]:
    """Colours `(h, w, 3)` of the fields of a mix, `(h, w)` each, as places between their levels."""
    mix = settings.mix
    assert mix is not None
    if mix.kind == "rgb":
        ramp = np.round(255 * (np.arange(256) / 255) ** settings.gamma).astype(np.uint8)
        return np.stack([ramp[plane] for plane in planes], -1)
    second = with_gamma(mix.colours or choices[mix.fields[0]].colours, settings.gamma)
    weight = round(256 * mix.share)
    first = colour_table(settings, choices[settings.field]).astype(np.uint16) * (256 - weight)
    colours: NDArray[np.uint8] = ((first[planes[0]] + second.astype(np.uint16)[planes[1]] * weight) >> 8).astype(np.uint8)
    return colours


def histogram(values: NDArray[np.generic], levels: Levels) -> Histogram:
    """Histogram of the finite values, over the range of the values and the levels."""
    numbers = np.asarray(values, np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    span = (min(levels[0], numbers.min(initial=np.inf)), max(levels[1], numbers.max(initial=-np.inf)))
    counts, edges = np.histogram(numbers, _BINS, span)
    return Histogram(counts, edges)


def fitted_levels(
    settings: ViewSettings, choice: FieldChoice, values: NDArray[np.generic], before: Levels | None = None
) -> Levels:
    """Levels for the visible values.

    In "auto" mode a bounded range of the field is used as it is; a range that is open at both ends stays symmetric about
    zero. Levels of the previous call grow at once and shrink slowly. On a logarithmic scale only values above 0 count.

    Args:
        settings: with the level mode.
        choice: the displayed field.
        values: visible values, any shape.
        before: the levels of the previous call.
    """
    if settings.level_mode == "locked" and settings.levels is not None and (settings.levels[0] > 0 or not settings.log):
        return settings.levels
    low, high = choice.range if settings.level_mode in ("auto", "percentile") else (None, None)
    if settings.level_mode == "auto" and low is not None and high is not None and (low > 0 or not settings.log):
        return low, high
    numbers = np.asarray(values, np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    numbers = numbers[numbers > 0] if settings.log else numbers
    if not numbers.size:
        return before or ((0.1, 1.0) if settings.log else (0.0, 1.0))
    if settings.log:
        levels = _log_levels(settings, numbers)
        return levels if before is None else _eased_logs(before, levels)
    levels = _linear_levels(settings, (low, high), numbers)
    return levels if before is None else _eased(before, levels)


def _ends(settings: ViewSettings, numbers: NDArray[np.float64]) -> Levels:
    """Lowest and highest number, or the percentiles of that mode."""
    share = settings.percentile if settings.level_mode == "percentile" else 0.0
    bottom, top = (float(end) for end in np.percentile(numbers, [share, 100.0 - share]))
    return bottom, top


def _log_levels(settings: ViewSettings, numbers: NDArray[np.float64]) -> Levels:
    bottom, top = _ends(settings, numbers)
    return (max(bottom, top * _DECADES), top) if bottom < top else (top / 10, top)


def _linear_levels(settings: ViewSettings, known: tuple[float | None, float | None], numbers: NDArray[np.float64]) -> Levels:
    (low, high), (bottom, top) = known, _ends(settings, numbers)
    about_zero = settings.level_mode in ("auto", "percentile") and low is None and high is None and bottom < 0 < top
    if about_zero or settings.level_mode == "symmetric":
        top = max(abs(bottom), abs(top))
        bottom = -top
    if settings.level_mode == "auto":
        bottom, top = (bottom if low is None else low), (top if high is None else high)
    if top - bottom <= 1e-12 * max(abs(top), abs(bottom), 1e-30):
        bottom, top = (bottom, bottom + 1.0) if bottom >= 0 else (bottom - 0.5, bottom + 0.5)
    return bottom, top


def _eased_logs(before: Levels, now: Levels) -> Levels:
    low, high = _eased((math.log(before[0]), math.log(before[1])), (math.log(now[0]), math.log(now[1])))
    return math.exp(low), math.exp(high)


def _eased(before: Levels, now: Levels) -> Levels:
    slack = _SLACK * (before[1] - before[0])
    low, high = before
    if now[0] < low:
        low = now[0]
    elif now[0] > low + slack:
        low += _SHRINK * (now[0] - low)
    if now[1] > high:
        high = now[1]
    elif now[1] < high - slack:
        high -= _SHRINK * (high - now[1])
    return (low, high) if low < high else now
