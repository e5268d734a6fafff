"""The inspected cell: the one under the mouse, or a pinned one. No Qt."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.controllers.component import Component, ComponentHost
from viewer.model.frame import CellValues, RenderedFrame
from viewer.sources.source import FrameSource

_EVERY_S = 0.1


@dataclass(frozen=True)
class ChannelTable:
    """The values of a cell as a table.

    Attributes:
        columns: titles of the columns.
        names: titles of the rows.
        values: `(rows, columns)`; NaN in empty places.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]


class InspectController(Component):
    """Reads the inspected cell up to ten times a second, while the inspector is visible and the cells change.

    Attributes:
        cell: the values read last; None without a cell.
        wanted: the inspector is visible.
        listeners: called when `cell` changed.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.cell: CellValues | None = None
        self.wanted = False
        self.listeners: list[Callable[[], None]] = []
        self._under_mouse: tuple[int, int] | None = None
        self._read: tuple[object, ...] | None = None  # cell, universe and field of the last reading
        self._frame: RenderedFrame | None = None
        self._due = 0.0

    @property
    def cell_position(self) -> tuple[int, int] | None:
        """(y, x) of the inspected cell: the pinned one, else the one under the mouse, else the last."""
        last = (self.cell.y, self.cell.x) if self.cell is not None else None
        return self.controller.model.pinned or self._under_mouse or last

    def hover(self, y: int, x: int) -> None:
        """Sets the cell under the mouse; (-1, -1) for none."""
        self._under_mouse = (y, x) if y >= 0 else None

    def toggle_pin(self) -> None:
        """Pins the cell under the mouse (else the last one, or the middle of the view), or unpins it."""
        model = self.controller.model
        if model.pinned is not None or self.controller.source is None:
            model.set(pinned=None)
            return
        region = model.region
        middle = (region.top + region.height // 2, region.left + region.width // 2) if region is not None else None
        model.set(pinned=self.cell_position or middle)

    def opened(self, source: FrameSource) -> None:
        self.closed()

    def closed(self) -> None:
        self.cell, self._under_mouse, self._read, self._frame = None, None, None, None
        self.controller.model.set(pinned=None)
        self._notify()

    def tick(self) -> None:
        source, settings, frame, cell_position = (
            self.controller.source,
            self.controller.model.view_settings,
            self.controller.frame,
            self.cell_position,
        )
        if source is None or settings is None or cell_position is None or not (self.wanted and self.controller.visible):
            return
        asked = (cell_position, settings.universe, settings.field)
        now = time.monotonic()
        if (asked == self._read and frame is self._frame) or now < self._due:
            return
        self._read, self._frame, self._due = asked, frame, now + _EVERY_S
        source.inspect(*cell_position, settings.universe, self._cell_read)

    def _cell_read(self, cell: CellValues) -> None:
        if (cell.y, cell.x) == self.cell_position:
            self.cell = cell
            self._notify()

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()


def channel_table(cell: CellValues) -> ChannelTable:
    """The channels of a cell (of amplitudes with magnitude and phase); of a recording the fields."""
    d = cell.d_state
    if d is not None and cell.channels.size == 2 * d:
        re, im = cell.channels[:d], cell.channels[d:]
        values = np.stack((re, im, np.hypot(re, im), np.arctan2(im, re)), 1)
        return ChannelTable(("Re", "Im", "|psi|", "arg"), tuple(f"psi_{k}" for k in range(d)), values)
    if cell.channels.size:
        return ChannelTable(("value",), tuple(f"channel_{k}" for k in range(cell.channels.size)), cell.channels[:, None])
    width = max((values.size for values in cell.fields.values()), default=1)
    rows = [np.pad(values, (0, width - values.size), constant_values=np.nan) for values in cell.fields.values()]
    columns = ("value",) if width == 1 else ("red or value", "green", "blue")[:width]
    return ChannelTable(columns, tuple(cell.fields), np.stack(rows) if rows else np.empty((0, width)))
