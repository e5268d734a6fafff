"""Reads fields of recorded frames, in the units of the fields. No Qt."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.observe.fields import FIELDS
from aetheria.observe.first_field import STORED, states_of
from aetheria.recording import Recording
from viewer.model.plane import Plane, PlaneSlice, plane_of
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice

_MEANING_OF_STATES = "the state of the cell"  # where the file says only which channel it is


class FrameReader:
    """Reads parts of recorded frames; each field of a frame is read only once while the frame stays the same.

    Attributes:
        choices: the fields with images, colours first.
        plane: the initial plane of the recorded grid.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        names = sorted(recording.fields, key=lambda name: name != "rgb")
        self.choices = {name: _choice(recording, name) for name in names}
        axes = tuple(recording.grid_axes)
        dimensions = zip(recording.axes(names[0]), recording.dataset(names[0]).shape, strict=True)
        sides = {axis: int(side) for axis, side in dimensions if axis in axes}
        self.plane = plane_of(tuple(sides[axis] for axis in axes), axes)
        self._scales = {name: _scale(recording, name) for name in names}
        self._frames: dict[tuple[str, int, int], NDArray[np.generic]] = {}  # by field, universe and index
        self._projections: dict[tuple[str, int, int, PlaneSlice], Tensor] = {}  # with the slice

    def fields(
        self, names: Sequence[str], index: int, universe: int, plane: Plane, region: Region
    ) -> tuple[Region, Tensor] | None:
        """As `values`; of several fields `(1, n, h, w)`."""
        found = [self.values(name, index, universe, plane, region) for name in names]
        parts = [part for part in found if part is not None]
        if len(parts) < 2:
            return parts[0] if parts else None
        return parts[0][0], torch.stack([values for _, values in parts], 1)

    def values(self, name: str, index: int, universe: int, plane: Plane, region: Region) -> tuple[Region, Tensor] | None:
        """A part of a field in its unit: `(1, h, w)`, "rgb" `(1, 3, h, w)`.

        Of a space-time picture each row is a frame, down to `index` in the last row.

        Returns:
            The part of the region that there is, and its values; None if there is none.

        Raises:
            RecordingError: the file is damaged there.
        """
        if plane.space_time:
            return self._rows(name, index, universe, plane, region)
        self._keep_only(index, index)
        rows = slice(region.top, region.top + region.height)
        columns = slice(region.left, region.left + region.width)
        cut = None if plane.slice is None else plane.slice.cut
        if isinstance(cut, str):
            return region, self._projection(name, index, universe, plane)[..., rows, columns]
        frame = self._frame(name, index, universe)
        frame = frame if cut is None else np.take(frame, cut, plane.dim)
        return region, self._in_unit(name, frame[..., rows, columns])

    def volume(self, name: str, index: int, universe: int) -> Tensor:
        """All of a field in its unit, `(1, [3,] *grid)`."""
        self._keep_only(index, index)
        return self._in_unit(name, self._frame(name, index, universe))

    def _projection(self, name: str, index: int, universe: int, plane: Plane) -> Tensor:
        """The mean or maximum of a field along the axis of the slice, `(1, [3,] h, w)`."""
        assert plane.slice is not None
        key = name, universe, index, plane.slice
        if key not in self._projections:
            values = self._in_unit(name, self._frame(name, index, universe))
            if plane.slice.cut == "max":
                self._projections[key] = values.amax(plane.dim)
            elif self.choices[name].cyclic:
                self._projections[key] = torch.atan2(values.sin().mean(plane.dim), values.cos().mean(plane.dim))
            else:
                self._projections[key] = values.mean(plane.dim)
        return self._projections[key]

    def _rows(self, name: str, index: int, universe: int, plane: Plane, region: Region) -> tuple[Region, Tensor] | None:
        oldest = index - plane.grid[0] + 1  # the frame in row 0
        first, last = max(0, oldest + region.top), oldest + region.top + region.height - 1
        if last < first:
            return None
        self._keep_only(oldest, index)
        rows = [self._frame(name, k, universe)[..., region.left : region.left + region.width] for k in range(first, last + 1)]
        found = Region(first - oldest, region.left, last - first + 1, region.width)
        return found, self._in_unit(name, np.stack(rows, -2))

    def _frame(self, name: str, index: int, universe: int) -> NDArray[np.generic]:
        key = name, universe, index
        if key not in self._frames:
            self._frames[key] = self._recording.read(name, index, universe)[0]
        return self._frames[key]

    def _keep_only(self, first: int, last: int) -> None:
        """Drops all frames but these."""
        self._frames = {key: frame for key, frame in self._frames.items() if first <= key[2] <= last}
        self._projections = {key: values for key, values in self._projections.items() if first <= key[2] <= last}

    def _in_unit(self, name: str, values: NDArray[np.generic]) -> Tensor:
        numbers = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
        factor, offset = self._scales[name]
        return numbers if (factor, offset) == (1.0, 0.0) else numbers * factor + offset


def _choice(recording: Recording, name: str) -> FieldChoice:
    """Name, meaning, unit, range and colours of a recorded field."""
    attributes = recording.dataset(name).attrs
    stem = name if name in FIELDS else re.sub(r"_\d+$", "", name)
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    if "scale_factor" in attributes:
        low, high = float(attributes["add_offset"]), float(attributes["add_offset"] + 255 * attributes["scale_factor"])
    return FieldChoice(
        name,
        _MEANING_OF_STATES
        if name == STORED and states_of(str(recording.attributes["law"]))
        else str(attributes.get("long_name", "")),
        str(attributes.get("units", "1")),
        (None if low is None else float(low), None if high is None else float(high)),
        str(attributes.get("colour_map", "ember")),
        stem in FIELDS and FIELDS[stem].cyclic,
    )


def _scale(recording: Recording, name: str) -> tuple[float, float]:
    """(factor, offset) that turn stored numbers into values."""
    attributes = recording.dataset(name).attrs
    return float(attributes.get("scale_factor", 1.0)), float(attributes.get("add_offset", 0.0))
