"""Frames of one recorded field as arrays of one or two axes, ready to be drawn."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, RecordingError, nearest
from aetheria.observe.fields import FIELDS
from aetheria.observe.request import AXIS_NAMES, Cut, check_slice
from aetheria.recording import Recording
from aetheria.recording.slices import cut_axes


class FieldFrames:
    """A field of one universe over a range of steps, with the axes that a slice leaves.

    Attributes:
        recording: that holds the field.
        field: its name.
        axes: names of the axes that are left, two or one.
        indices: of the frames in the recording.
        attributes: of the field in the file.
    """

    def __init__(
        self,
        recording: Recording,
        field: str | None,
        universe: int,
        cuts: Mapping[str, Cut],
        first: int | None,
        last: int | None,
        every: int = 1,
    ) -> None:
        """
        Args:
            recording: an open recording.
            field: its name; None for the first one recorded, "rgb" before others.
            universe: of the batch.
            cuts: axes to cut away, as in `Request.slice`.
            first, last: range of steps, ends included; None for the recording's.
            every: 1 for all of these frames, n for each n-th of them.

        Raises:
            ConfigError: no such field, universe, frame or slice, or three axes are left.
            RecordingError: the recording holds no field.
        """
        self.recording = recording
        self.field = _field_of(recording, field)
        self.attributes = recording.dataset(self.field).attrs
        universes = int(recording.attributes["universes"])
        if not 0 <= universe < universes:
            wanted = f"0 to {universes - 1}" if universes > 1 else "0, the only one"
            raise ConfigError(f"universe: {universe} given; expected {wanted}")
        if every < 1:
            raise ConfigError(f"every: {every} given; expected 1 or more frames")
        self._universe = universe
        self.indices = _frames_between(recording, first, last)[::every]
        self._cuts = _slice_in_pixels(recording, cuts)
        self.axes = tuple(axis for axis in recording.grid_axes if axis not in cuts)
        if len(self.axes) == 3:
            last_z = recording.grid[0] - 1
            raise ConfigError(
                f"slice: none given; a 3-D field needs a slice to be drawn: z=mean, z=max or z=0 to z={last_z} (--slice z=mean)"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def values(self, position: int) -> NDArray[np.generic]:
        """The stored values of a frame: `(*axes)`; of "rgb" `(3, *axes)`."""
        values = self.recording.read(self.field, int(self.indices[position]), self._universe)[0]
        if not self._cuts:
            return values
        axes = self.recording.grid_axes
        if not (self._cyclic and "mean" in self._cuts.values()):
            return cut_axes(values, axes, self._cuts)
        factor, offset = self.packing()
        return (cut_axes(values * factor + offset, axes, self._cuts, cyclic=True) - offset) / factor

    def packing(self) -> tuple[float, float]:
        """(factor, offset) of the field's unit: value = factor * stored value + offset."""
        return float(self.attributes.get("scale_factor", 1.0)), float(self.attributes.get("add_offset", 0.0))

    @property
    def _cyclic(self) -> bool:
        """Whether the values are angles."""
        stem, _, number = self.field.rpartition("_")
        field = FIELDS.get(stem if number.isdecimal() else self.field)
        return field is not None and field.cyclic


def _field_of(recording: Recording, name: str | None) -> str:
    if not recording.fields:
        raise RecordingError(f"{recording.path}: holds no field to show, only {', '.join(recording.observables)}")
    name = name or ("rgb" if "rgb" in recording.fields else recording.fields[0])
    if name in recording.observables:
        raise ConfigError(f"--field {name}: is an observable; it has no picture")
    if name not in recording.fields:
        raise ConfigError(f"--field {name}: not recorded; {nearest(name, list(recording.fields))}")
    return name


def _frames_between(recording: Recording, first: int | None, last: int | None) -> NDArray[np.intp]:
    steps = recording.steps
    low = steps.min(initial=0) if first is None else first
    high = steps.max(initial=0) if last is None else last
    indices = np.flatnonzero((steps >= low) & (steps <= high))
    if not len(steps):
        raise ConfigError(f"{recording.path}: holds no frames yet")
    if not len(indices):
        ends = f"{'the first' if first is None else first} and {'the last' if last is None else last}"
        raise ConfigError(f"{recording.path}: no frame between steps {ends}; it has steps {steps[0]} to {steps[-1]}")
    return indices


def _slice_in_pixels(recording: Recording, cuts: Mapping[str, Cut]) -> dict[str, Cut]:
    """A slice with indices of cells, as one with indices of pixels, of which a recording may have fewer."""
    sides = dict(zip(AXIS_NAMES[-len(recording.grid) :], recording.grid, strict=True))
    check_slice(cuts, {axis: sides[axis] for axis in recording.grid_axes})
    pixels = {axis: len(recording.axis(axis)) for axis in cuts}
    # The pixel that holds the centre of the cell.
    return {
        axis: (2 * cut + 1) * pixels[axis] // (2 * sides[axis]) if isinstance(cut, int) else cut for axis, cut in cuts.items()
    }
