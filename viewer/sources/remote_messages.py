"""Messages of a server as the viewer knows them: views, pictures, fields and parameters. No Qt."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.laws.controls import Control, TextControl
from aetheria.serve.protocol import MAX_SIDE, Picture, View
from viewer.model.plane import Plane
from viewer.model.time_series import Measurement
from viewer.model.view_settings import FieldChoice, FrameRequest


def view_of(request: FrameRequest, plane: Plane) -> View:
    """The view that a server is asked for; levels and colours are found here. Of a row of cells it is all of the row."""
    settings, region = request.view_settings, request.region
    if plane.space_time:
        return View(settings.field, min(MAX_SIDE, plane.grid[1]), universe=settings.universe)
    cut: Any = None if settings.slice is None else settings.slice.cut
    axis = "z" if settings.slice is None else settings.slice.axis
    part = region.top, region.left, region.height, region.width
    return View(settings.field, min(MAX_SIDE, max(request.size)), cut, settings.universe, (), part, axis)


def values_of(picture: Picture) -> Tensor:
    """The values `(1, [3,] h, w)` of a picture, in the unit of its field."""
    low, high = picture.levels
    shape = (picture.height, picture.width, picture.channels)
    pixels: NDArray[np.uint8] = np.frombuffer(picture.pixels, np.uint8).reshape(shape)
    numbers = pixels.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(numbers, -1, 0)))
    return planes[None] if picture.channels == 3 else planes


def measurement_of(picture: Picture, universes: int) -> Measurement:
    """The observables of a picture: NaN for universes that are not in view."""
    values = {name: np.full(universes, np.nan) for name in picture.observables}
    for name, value in picture.observables.items():
        values[name][picture.view.universe] = value
    return Measurement(picture.step, time.time(), values)


def choices_of(welcome: Mapping[str, Any]) -> tuple[FieldChoice, ...]:
    """The fields that a welcome names, the first one to show in front."""
    return tuple(map(_choice_of, welcome["fields"]))


def _choice_of(field: Mapping[str, Any]) -> FieldChoice:
    ends = field.get("low"), field.get("high")
    name, meaning, unit, colours = (str(field[key]) for key in ("name", "meaning", "unit", "colour_map"))
    return FieldChoice(name, meaning, unit, ends, colours, bool(field.get("cyclic")))


def control_of(told: Mapping[str, Any]) -> Control | TextControl:
    """A parameter that a welcome names."""
    name, meaning, low, high = told["name"], told["meaning"], told["low"], told["high"]
    return TextControl(name, meaning) if low is None else Control(name, meaning, low, high)
