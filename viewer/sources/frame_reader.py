"""Reads fields of recorded frames, in the units of the fields. No Qt."""

import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.observe.fields import FIELDS
from aetheria.recording import Recording
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice


class FrameReader:
    """Reads parts of recorded frames; each field of a frame is read only once while the frame stays the same.

    Attributes:
        choices: the fields with images, colours first.
        grid: (height, width) of the recorded frames.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        names = sorted(recording.fields, key=lambda name: name != "rgb")
        self.choices = {name: _choice(recording, name) for name in names}
        shape = recording.dataset(names[0]).shape
        height, width = shape[-3:-1] if names[0] == "rgb" else shape[-2:]
        self.grid = (int(height), int(width))
        self._scales = {name: _scale(recording, name) for name in names}
        self._planes: dict[tuple[str, int], NDArray[np.generic]] = {}  # by field and universe, of frame `_index`
        self._index = -1

    def values(self, name: str, index: int, universe: int, region: Region) -> Tensor:
        """A part of a field in its unit, `(1, h, w)`, "rgb" `(1, 3, h, w)`.

        Raises:
            RecordingError: the file is damaged there.
        """
        plane = self._plane(name, index, universe)
        part = plane[..., region.top : region.top + region.height, region.left : region.left + region.width]
        values = torch.from_numpy(np.ascontiguousarray(part, np.float32))[None]
        factor, offset = self._scales[name]
        return values if (factor, offset) == (1.0, 0.0) else values * factor + offset

    def _plane(self, name: str, index: int, universe: int) -> NDArray[np.generic]:
        if index != self._index:
            self._planes.clear()
            self._index = index
        if (name, universe) not in self._planes:
            self._planes[name, universe] = self._recording.read(name, index, universe)[0]
        return self._planes[name, universe]


def _choice(recording: Recording, name: str) -> FieldChoice:
    """Name, meaning, unit, range and colours of a recorded field."""
    attributes = recording.dataset(name).attrs
    stem = name if name in FIELDS else re.sub(r"_\d+$", "", name)
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    if "scale_factor" in attributes:
        low, high = float(attributes["add_offset"]), float(attributes["add_offset"] + 255 * attributes["scale_factor"])
    return FieldChoice(
        name,
        str(attributes.get("long_name", "")),
        str(attributes.get("units", "1")),
        (None if low is None else float(low), None if high is None else float(high)),
        str(attributes.get("colour_map", "ember")),
        stem in FIELDS and FIELDS[stem].cyclic,
    )


def _scale(recording: Recording, name: str) -> tuple[float, float]:
    """(factor, offset) that turn stored numbers into values."""
    attributes = recording.dataset(name).attrs
    return float(attributes.get("scale_factor", 1.0)), float(attributes.get("add_offset", 0.0))
