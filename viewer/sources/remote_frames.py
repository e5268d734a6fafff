"""Frames of a served run, rendered from its pictures of bytes. No Qt."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.serve.protocol import Picture
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice, FrameRequest, ViewSettings
from viewer.sources.frame_renderer import FrameRenderer
from viewer.sources.remote_messages import values_of
from viewer.sources.row_history import RowHistory

_WAITING = 1024  # rows that wait to be drawn


class RemoteFrames(Protocol):
    """Frames made of pictures; `add` is for the thread that receives them, the rest for that of the source.

    Attributes:
        samples: as of a `FrameSource`.
    """

    samples: deque[tuple[int, NDArray[np.generic]]]

    def add(self, picture: Picture) -> None:
        """Takes a picture over, to be drawn."""

    def render(self, request: FrameRequest, moving: bool) -> RenderedFrame | None:
        """The newest frame; None while there is none of this view."""

    def past_cell(self, y: int, x: int, universe: int) -> CellValues | None:
        """The displayed field at a place of the plane, where that shows an earlier step; None elsewhere."""


class RemoteGrid:
    """The newest picture of a grid of two axes, or of a slice."""

    def __init__(self, choices: Mapping[str, FieldChoice]) -> None:
        self._renderer = FrameRenderer(choices)
        self.samples = self._renderer.samples
        self._last: tuple[Picture, Tensor] | None = None

    def add(self, picture: Picture) -> None:
        self._last = picture, values_of(picture)

    def render(self, request: FrameRequest, moving: bool) -> RenderedFrame | None:
        if self._last is None:
            return None
        (picture, values), settings = self._last, request.view_settings
        slice_ = settings.slice
        cut = (None, "z") if slice_ is None else (slice_.cut, slice_.axis)
        shown = (picture.view.cut, picture.view.axis) if slice_ is not None else (None, "z")
        if not _of_view(picture, settings) or shown != cut or picture.view.region is None:
            return None
        frame = self._renderer.render(picture.step, request, Region(*picture.view.region), values, moving)
        return frame if picture.finite else replace(frame, finite=False)

    def past_cell(self, y: int, x: int, universe: int) -> CellValues | None:
        return None


class RemoteRows:
    """A space-time picture: a row for each picture that came; steps between two pictures are left out."""

    def __init__(self, plane: Plane, choices: Mapping[str, FieldChoice]) -> None:
        self._renderer = FrameRenderer(choices)
        self.samples = self._renderer.samples
        self._width = plane.grid[1]
        self._history = RowHistory(plane.grid[0], None)
        self._steps: deque[int] = deque(maxlen=plane.grid[0])
        self._waiting: deque[Picture] = deque(maxlen=_WAITING)
        self._shown: tuple[str, int] | None = None  # field and universe of the rows
        self._finite = True

    def add(self, picture: Picture) -> None:
        self._waiting.append(picture)

    def render(self, request: FrameRequest, moving: bool) -> RenderedFrame | None:
        settings = request.view_settings
        if self._shown != (settings.field, settings.universe):
            self._forget()
            self._shown = settings.field, settings.universe
        while self._waiting:
            picture = self._waiting.popleft()
            if _of_view(picture, settings):
                self._append(picture)
        rows = self._history.values(replace(request.region, left=0, width=self._history.width))
        if rows is None:
            return None
        found, values = rows
        region = request.region
        columns = np.arange(region.left, region.left + region.width) * self._history.width // self._width
        shown = Region(found.top, region.left, found.height, region.width)
        frame = self._renderer.render(self._steps[-1], request, shown, values[..., torch.from_numpy(columns)], moving)
        return replace(frame, finite=frame.finite and self._finite)

    def past_cell(self, y: int, x: int, universe: int) -> CellValues | None:
        age = self._history.capacity - 1 - y
        found = self._history.values(Region(y, x * self._history.width // self._width, 1, 1)) if age else None
        if found is None or self._shown is None or universe != self._shown[1]:
            return None
        values = found[1].double().numpy().reshape(-1)
        return CellValues(self._steps[-1 - age], y, x, universe, np.empty(0), None, {self._shown[0]: values})

    def _append(self, picture: Picture) -> None:
        if self._steps and picture.step < self._steps[-1]:
            self._forget()  # a restart, or a recording from its start
        if not self._steps or picture.step != self._steps[-1]:
            self._steps.append(picture.step)
        self._history.append(picture.step, values_of(picture)[0, ..., 0, :].numpy())
        self._finite = picture.finite

    def _forget(self) -> None:
        self._history.clear()
        self._steps.clear()


def _of_view(picture: Picture, settings: ViewSettings) -> bool:
    return (picture.field, picture.view.universe) == (settings.field, settings.universe)
