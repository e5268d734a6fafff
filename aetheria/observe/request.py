"""Between a motor's state and its fields: what may be asked of a law, and the view that answers."""

from collections.abc import Mapping, Sequence
from typing import Unpack, get_args

from torch import Tensor, nn

from aetheria.core.device import size_of
from aetheria.core.errors import ConfigError
from aetheria.laws.base import Traits
from aetheria.motor.optimizer import Part, PixelType, Reduction, Request
from aetheria.observe.fields import View, get_field
from aetheria.stepping import State

EVERY_CHANNEL = "cells"


def spelled_out(names: Sequence[str], channels: int) -> list[str]:
    """`names` with "cells", which is every channel, as "channel_0" to the last one."""
    every = [f"channel_{channel}" for channel in range(channels)]
    return [name for given in names for name in (every if given == EVERY_CHANNEL else [given])]


def request_for(
    traits: Traits,
    names: Sequence[str],
    size: int | tuple[int, int] | None,
    dtype: PixelType,
    levels: Mapping[str, tuple[float, float]] | None,
    *,
    shape: tuple[int, int, int, int],
    **part: Unpack[Part],
) -> Request:
    """A checked request for fields of a law over cells of this shape; arguments as for `Aetheria_Motor.request`.

    Raises:
        ConfigError: an unknown field, or an argument outside its range.
    """
    if isinstance(names, str):
        raise ConfigError(f'fields: "{names}" given; expected a list of names, as in ["{names}"]')
    fields = tuple(get_field(name, traits.d_state, traits.channels, traits.fields) for name in names)
    _check_part(part, shape)
    return Request.checked(fields, None if size is None else size_of(size), dtype, levels or {}, **part)


def _check_part(part: Part, shape: tuple[int, int, int, int]) -> None:
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


def view_of(law: nn.Module, traits: Traits, state: State) -> View:
    """The view of a state that fields are computed from; the law is evaluated only for a field that shows its change."""
    cells, *memory = state

    def change() -> Tensor:
        if traits.change is not None:
            return traits.change(cells, *memory)
        out = law(cells, *memory)
        return (out if isinstance(out, Tensor) else out[0]) - cells

    return View(cells, traits.d_state, traits.boundary, traits.alive, change)
