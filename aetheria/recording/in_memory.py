"""Frames in memory, with the axes and attributes that a recording has."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source
from aetheria.core.memory_limits import check_room
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.frame import Frame
from aetheria.observe.request import AXIS_NAMES, Request
from aetheria.recording.metadata import describe
from aetheria.recording.schema import axes_of, axis_centres, field_attributes, to_file

if TYPE_CHECKING:
    import xarray


class FramesInMemory:
    """A given number of frames of a motor, as an `xarray.Dataset` of the layout of a recording."""

    def __init__(self, motor: Aetheria_Motor, request: Request, count: int) -> None:
        """
        Args:
            count: of frames; memory for all of them is taken at once.

        Raises:
            StateError: they do not fit into memory. ConfigError: xarray is missing.
        """
        self._xarray = _xarray()
        self.motor, self.request, self.count = motor, request, 0
        batch, _, *grid = motor.shape
        shown = request.axes(len(grid))
        sides = dict(zip(AXIS_NAMES[-len(grid) :], grid, strict=True))
        lengths = dict(zip(shown, request.shown_size(tuple(grid)), strict=True))
        self.axes: dict[str, NDArray[Any]] = {axis: axis_centres(length, sides[axis]) for axis, length in lengths.items()}
        if batch > 1:
            self.axes["universe"] = np.arange(batch)
        if any(field.name == "rgb" for field in request.fields):
            self.axes["colour"] = np.arange(3)
        self.dims = {field.name: axes_of(field, batch, shown) for field in request.fields}
        shapes = {name: (count, *(len(self.axes[axis]) for axis in axes)) for name, axes in self.dims.items()}
        kinds = {field.name: np.dtype(np.float64 if field.scalar else np.float32) for field in request.fields}
        needed = sum(math.prod(shape) * kinds[name].itemsize for name, shape in shapes.items())
        check_room(
            needed, f"holding {count:,} frames", "take frames less often (every), reduce their size, or record to a file"
        )
        self.arrays: dict[str, NDArray[Any]] = {name: np.empty(shape, kinds[name]) for name, shape in shapes.items()}
        self.steps = np.zeros(count, np.int64)

    def add(self, frame: Frame) -> None:
        """Copies the next frame."""
        for name, values in frame.items():
            self.arrays[name][self.count] = to_file(values, name, self.motor.shape[0])
        self.steps[self.count] = frame.step
        self.count += 1

    def dataset(self) -> "xarray.Dataset":
        """The frames so far, as `Recording.to_xarray` gives those of a file."""
        law, steps = self.motor.traits, self.steps[: self.count]
        attributes = {name: value for name, value in describe(self.motor, "").items() if not name.startswith("config")}
        attributes["first_step"] = int(steps[0])
        fields = {
            field.name: (
                ("time", *self.dims[field.name]),
                self.arrays[field.name][: self.count],
                field_attributes(field, self.request),
            )
            for field in self.request.fields
        }
        step = {"step": (("time",), steps, {"long_name": "steps done", "units": "1"})}
        return self._xarray.Dataset(fields | step, {"time": steps * law.dt, **self.axes}, attributes)


def _xarray() -> Any:
    try:
        import xarray
    except ImportError:
        raise ConfigError(f"frames in memory need xarray: {from_source('analysis')}") from None
    return xarray
