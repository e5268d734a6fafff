"""Requests: fields of the cells, their size, type and part of the grid, checked when they are made."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypedDict, Unpack, get_args

from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.device import grid_of, times
from aetheria.core.errors import ConfigError
from aetheria.core.sums import PlainSums, Sums
from aetheria.laws.base import Law
from aetheria.observe.fields import Ahead, Field, View
from aetheria.observe.law_fields import field_of
from aetheria.stepping.plan import State

PixelType = Literal["float32", "float16", "uint8"]
Reduction = Literal["mean", "nearest"]
Cut = int | Literal["mean", "max"]
AXIS_NAMES = ("z", "y", "x")  # of a grid with three axes; those with fewer have the last ones
EVERY_CHANNEL = "cells"


class Part(TypedDict, total=False):
    """The part of the cells that a request shows; the attributes of `Request` of these names."""

    region: Block | tuple[int, int, int, int] | None
    slice: Mapping[str, Cut]
    universe: int | None
    reduction: Reduction
    log: bool
    finite: bool


@dataclass(frozen=True)
class Request:
    """Fields of the cells, with the size, type and part of the grid in which they are wanted.

    Attributes:
        size: to reduce to, a number for each axis that is shown, or None for the grid's (or region's) own.
        dtype: "float32", "float16", or "uint8" with `levels` (low, high) for each field that is no observable.
        slice: axes that are cut away, by name ("z", "y", "x"): at an index, or by the "mean" or "max" along the axis.
        region: the block that is shown, in the axes that are left after `slice`; None for the whole grid. Observables are of
            the whole grid.
        universe: the one that is shown, as a batch of one; None for all.
        reduction: how areas become pixels: their "mean", or the cell "nearest" to their centre, which keeps extremes.
        log: pixels of type uint8 are of the logarithms of the values; levels are above 0.
        finite: adds "finite" `(1,)` bool, whether the values shown are free of NaN and Inf, which uint8 cannot hold.
    """

    fields: tuple[Field, ...]
    size: tuple[int, ...] | None = None
    dtype: PixelType = "float32"
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    region: Block | None = None
    slice: Mapping[str, Cut] = field(default_factory=dict)
    universe: int | None = None
    reduction: Reduction = "mean"
    log: bool = False
    finite: bool = False

    def axes(self, rank: int) -> tuple[str, ...]:
        """Names of the axes that are shown, of a grid with `rank` axes."""
        return tuple(axis for axis in AXIS_NAMES[-rank:] if axis not in self.slice)

    def shown_size(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """Values along each axis that is shown, for fields of a grid."""
        whole = dict(zip(AXIS_NAMES[-len(grid) :], grid, strict=True))
        full = tuple(whole[axis] for axis in self.axes(len(grid))) if self.region is None else self.region.size
        return full if self.size is None else tuple(map(min, self.size, full))


def spelled_out(names: Sequence[str], channels: int) -> list[str]:
    """`names` with "cells", which is every channel, as "channel_0" to the last one."""
    every = [f"channel_{channel}" for channel in range(channels)]
    return [name for given in names for name in (every if given == EVERY_CHANNEL else [given])]


def request_for(
    law: Law,
    shape: tuple[int, ...],
    names: Sequence[str] | None = None,
    size: int | Sequence[int] | None = None,
    dtype: PixelType = "float32",
    levels: Mapping[str, tuple[float, float]] | None = None,
    **part: Unpack[Part],
) -> Request:
    """A checked request for fields of a law over cells of a shape `(B, C, *grid)`.

    Args:
        names: of fields; None for the law's default field.
        size: side, or a number for each axis that is shown, to reduce to.
        levels: (low, high) of uint8 fields; those that are missing have the field's own range.
        part: see `Request`; in two dimensions `region` may be (top, left, height, width).

    Raises:
        ConfigError: an unknown field or type, a field named twice, levels of no field, levels missing or not rising, or a
            size, slice, region or universe that the cells do not have.
    """
    grid = shape[2:]
    fields = _fields(law, len(grid), names)
    if dtype not in get_args(PixelType):
        raise ConfigError(f'dtype: "{dtype}" given; expected one of {", ".join(get_args(PixelType))}')
    levels = levels or {}
    if stray := levels.keys() - {f.name for f in fields}:
        raise ConfigError(
            f"levels: {', '.join(sorted(stray))} given, but only {', '.join(f.name for f in fields)} are asked for"
        )
    scales = {f.name: _levels(f, levels.get(f.name)) for f in fields if not f.scalar} if dtype == "uint8" else {}
    if part.get("log") and (wrong := next((name for name, (low, _) in scales.items() if low <= 0), "")):
        raise ConfigError(f'levels: {scales[wrong]} given for "{wrong}"; expected numbers above 0, for their logarithms')
    cuts = dict(part.get("slice") or {})
    check_slice(cuts, dict(zip(AXIS_NAMES[-len(grid) :], grid, strict=True)))
    shown = tuple(side for axis, side in zip(AXIS_NAMES[-len(grid) :], grid, strict=True) if axis not in cuts)
    return Request(
        fields,
        None if size is None else grid_of(size, len(shown)),
        dtype,
        scales,
        _region(part.get("region"), shown),
        cuts,
        _universe(part.get("universe"), shape[0]),
        _reduction(part.get("reduction", "mean")),
        part.get("log", False),
        part.get("finite", False),
    )


def view_of(
    law: Law,
    state: State,
    change: Callable[[], Tensor] | None = None,
    ahead: Callable[[Ahead], Tensor] | None = None,
    sums: Sums | None = None,
) -> View:
    """The view of a state that fields are computed from.

    Args:
        change: gives the change that the next step makes; None to evaluate the law, when a field shows its change.
        ahead: evaluates measures that look ahead; None for those of a state at which no step was done.
        sums: adds values over the grid; None for plain sums.
    """
    cells, *memory = state
    change, ahead = change or partial(law.change, cells, *memory), ahead or (lambda measure: measure(law, state, 0))
    return View(cells, law.d_state, law.boundary, law.alive, change, ahead, sums or PlainSums())


def _fields(law: Law, rank: int, names: Sequence[str] | None) -> tuple[Field, ...]:
    if isinstance(names, str):
        raise ConfigError(f'fields: "{names}" given; expected a list of names, as in ["{names}"]')
    names = spelled_out([law.default_field] if names is None else names, law.channels)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"fields: {names} given; expected one or more, each once")
    return tuple(field_of(law, name, rank) for name in names)


def check_slice(cuts: Mapping[str, Cut], sides: Mapping[str, int]) -> None:
    """Raises ConfigError for a slice that does not fit a grid with these cells along its axes, or leaves no axis."""
    grid = times(tuple(sides.values()))
    for axis, cut in cuts.items():
        if axis not in sides:
            raise ConfigError(f'slice: axis "{axis}" given; the grid of {grid} has {", ".join(sides)}')
        whole = isinstance(cut, int) and not isinstance(cut, bool)
        if not (0 <= cut < sides[axis] if whole else cut in ("mean", "max")):  # type: ignore[operator]
            raise ConfigError(f'slice: {axis} = {cut!r} given; expected 0 to {sides[axis] - 1}, "mean" or "max"')
    if cuts and len(cuts) == len(sides):
        raise ConfigError(f"slice: all axes of the grid of {grid} given; at least one must be left")


def _region(region: Block | tuple[int, int, int, int] | None, shown: tuple[int, ...]) -> Block | None:
    if region is None:
        return None
    block = region if isinstance(region, Block) else Block(tuple(region[:2]), tuple(region[2:]))
    if not block.inside(shown):
        raise ConfigError(f"region: {block} given; expected a part of the grid of {times(shown)}")
    return block


def _universe(universe: int | None, batch: int) -> int | None:
    if universe is not None and not 0 <= universe < batch:
        raise ConfigError(f"universe: {universe!r} given; expected 0 to {batch - 1}")
    return universe


def _reduction(reduction: Reduction) -> Reduction:
    if reduction not in get_args(Reduction):
        raise ConfigError(f'reduction: "{reduction}" given; expected one of {", ".join(get_args(Reduction))}')
    return reduction


def _levels(wanted: Field, given: tuple[float, float] | None) -> tuple[float, float]:
    if given is not None and len(given) != 2:
        raise ConfigError(f'levels: {given!r} given for "{wanted.name}"; expected (low, high)')
    low, high = given or wanted.range
    if low is None or high is None:
        raise ConfigError(f'levels: "{wanted.name}" has no fixed range; uint8 needs levels = (low, high) for it')
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f'levels: ({low}, {high}) given for "{wanted.name}"; expected finite low < high')
    return float(low), float(high)
