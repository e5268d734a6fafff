"""Requests: fields of the cells, their size, type and part of the grid, checked when they are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypedDict, Unpack, get_args

from aetheria.core.device import grid_of
from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.observe.fields import Field, View, get_field
from aetheria.stepping.plan import State

PixelType = Literal["float32", "float16", "uint8"]
Reduction = Literal["mean", "nearest"]
EVERY_CHANNEL = "cells"


class Part(TypedDict, total=False):
    """Which part of the cells a request shows, and how; the attributes of `Request` of these names."""

    region: tuple[int, ...] | None
    universe: int | None
    reduction: Reduction
    finite: bool


@dataclass(frozen=True)
class Request:
    """What to show of the cells: which fields, how large, in which type.

    Attributes:
        size: (height, width) to reduce to, or None for the grid's (or region's) own.
        dtype: "float32", "float16", or "uint8" with `levels` (low, high) for each field that is no observable.
        region: (top, left, height, width) in cells that is shown; None for the whole grid. Observables are of the whole grid.
        universe: the one that is shown, as a batch of one; None for all.
        reduction: how areas become pixels: their "mean", or the cell "nearest" to their centre, which keeps extremes.
        finite: also says, as "finite" `(1,)` bool, whether what is shown holds no NaN or Inf, which uint8 cannot.
    """

    fields: tuple[Field, ...]
    size: tuple[int, ...] | None = None
    dtype: PixelType = "float32"
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    region: tuple[int, ...] | None = None
    universe: int | None = None
    reduction: Reduction = "mean"
    finite: bool = False

    @classmethod
    def checked(
        cls,
        fields: tuple[Field, ...],
        size: tuple[int, ...] | None,
        dtype: PixelType,
        levels: Mapping[str, tuple[float, float]],
        **part: Unpack[Part],
    ) -> Self:
        """A request whose uint8 fields all have levels: those given, or the field's own range.

        Raises:
            ConfigError: an unknown type, levels of no field, levels missing or not rising, or a field named twice.
        """
        names = [f.name for f in fields]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"fields: {names} given; expected one or more, each once")
        if dtype not in get_args(PixelType):
            raise ConfigError(f'dtype: "{dtype}" given; expected one of {", ".join(get_args(PixelType))}')
        if stray := levels.keys() - set(names):
            raise ConfigError(f"levels: {', '.join(sorted(stray))} given, but only {', '.join(names)} are asked for")
        scales = {f.name: _levels(f, levels.get(f.name)) for f in fields if not f.scalar} if dtype == "uint8" else {}
        return cls(fields, size, dtype, scales, **part)


def spelled_out(names: Sequence[str], channels: int) -> list[str]:
    """`names` with "cells", which is every channel, as "channel_0" to the last one."""
    every = [f"channel_{channel}" for channel in range(channels)]
    return [name for given in names for name in (every if given == EVERY_CHANNEL else [given])]


def request_for(
    law: Law,
    names: Sequence[str],
    size: int | tuple[int, int] | None,
    dtype: PixelType,
    levels: Mapping[str, tuple[float, float]] | None,
    *,
    shape: tuple[int, ...],
    **part: Unpack[Part],
) -> Request:
    """A checked request for fields of a law over cells of this shape; arguments as for `Aetheria_Motor.request`.

    Raises:
        ConfigError: an unknown field, or an argument outside its range.
    """
    if isinstance(names, str):
        raise ConfigError(f'fields: "{names}" given; expected a list of names, as in ["{names}"]')
    fields = tuple(get_field(name, law.d_state, law.channels, law.fields) for name in names)
    _check_part(part, shape)
    return Request.checked(fields, None if size is None else grid_of(size), dtype, levels or {}, **part)


def _check_part(part: Part, shape: tuple[int, ...]) -> None:
    batch, _, height, width = shape
    universe, region = part.get("universe"), part.get("region")
    if universe is not None and not 0 <= universe < batch:
        raise ConfigError(f"universe: {universe!r} given; expected 0 to {batch - 1}")
    if part.get("reduction", "mean") not in get_args(Reduction):
        raise ConfigError(f'reduction: "{part["reduction"]}" given; expected one of {", ".join(get_args(Reduction))}')
    if region is None:
        return
    top, left, rows, columns = region
    if min(top, left) < 0 or min(rows, columns) < 1 or top + rows > height or left + columns > width:
        raise ConfigError(
            f"region: {rows} x {columns} cells at ({top}, {left}) given; expected a part of the grid of {height} x {width}"
        )


def view_of(law: Law, state: State) -> View:
    """The view of a state that fields are computed from; the law is evaluated only for a field that shows its change."""
    cells, *memory = state
    return View(cells, law.d_state, law.boundary, law.alive, lambda: law.change(cells, *memory))


def _levels(wanted: Field, given: tuple[float, float] | None) -> tuple[float, float]:
    if given is not None and len(given) != 2:
        raise ConfigError(f'levels: {given!r} given for "{wanted.name}"; expected (low, high)')
    low, high = given or wanted.range
    if low is None or high is None:
        raise ConfigError(f'levels: "{wanted.name}" has no fixed range; uint8 needs levels = (low, high) for it')
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f'levels: ({low}, {high}) given for "{wanted.name}"; expected finite low < high')
    return float(low), float(high)
