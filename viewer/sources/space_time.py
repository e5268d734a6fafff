"""Frames of a motor whose grid has one axis: a space-time picture, with a row for every step. No Qt."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.feed import Subscription
from aetheria.observe.frame import Frame
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice, FrameRequest
from viewer.sources.frame_renderer import FrameRenderer
from viewer.sources.live_frames import read_cell
from viewer.sources.newest_frame import NewestFrame
from viewer.sources.row_history import RowHistory

_WAITING = 4096  # rows that the motor may be ahead of the picture; if it is further, the picture begins anew


class SpaceTimeFrames:
    """Subscribes to the whole row at every `interval` steps, and renders the rows kept."""

    def __init__(self, motor: Aetheria_Motor, plane: Plane, choices: Mapping[str, FieldChoice]) -> None:
        self.motor, self._plane = motor, plane
        self._renderer = FrameRenderer(choices)
        self.samples: deque[tuple[int, NDArray[np.generic]]] = self._renderer.samples
        self._newest = NewestFrame()
        self._history = RowHistory(plane.grid[0])
        self._interval = 1
        self._request: FrameRequest | None = None
        self._subscription: Subscription | None = None
        self._recorded: tuple[tuple[str, ...], int, int] | None = None  # fields, universe and interval of the rows

    def next_frame(self) -> RenderedFrame | None:
        return self._newest.take()

    @property
    def dropped(self) -> int:
        return self._newest.dropped

    def request(self, frame_request: FrameRequest | None) -> None:
        self._request = frame_request
        if frame_request is None:
            self._stop()
            return
        settings = frame_request.view_settings
        if self._recorded != (settings.fields, settings.universe, self._interval):
            self._start(settings.fields, settings.universe)
        self._draw(moving=False)

    def refresh(self, restarted: bool = False) -> None:
        if self._recorded is None:
            return
        fields, universe, interval = self._recorded
        with self.motor.turn:
            self._read_rows()
            if restarted:
                self._history.clear()
            received = self.motor.look(self.motor.request(_each_once(fields), universe=universe))
            last = self._history.step
            between = last is not None and last < received.step < last + interval  # two rows, and left out
            if not between:
                self._history.append(received.step, _row(received, fields))
        self._draw(moving=False)

    def set_interval(self, steps: int) -> None:
        self._interval = steps
        self.request(self._request)

    def invalidate_levels(self) -> None:
        """Does nothing: `refresh` finds the levels anew."""

    def background_work(self) -> float | None:
        """Reads new rows and renders them."""
        if self._request is None:
            return None
        if self._read_rows():
            self._draw(moving=True)
        return 1 / self._request.rate

    def read_cell(self, y: int, x: int, universe: int) -> CellValues | None:
        if self._request is None or self._recorded is None:
            return None
        age = self._history.capacity - 1 - y
        if age == 0:
            return read_cell(self.motor, self._plane, self._request.view_settings, y, x, universe)
        found, step = self._history.values(Region(y, x, 1, 1)), self._history.step
        if found is None or step is None:
            return None
        fields, values = self._recorded[0], found[1].double().numpy().ravel()
        known = {fields[0]: values} if len(fields) == 1 else {name: values[k : k + 1] for k, name in enumerate(fields)}
        return CellValues(step - age * self._interval, y, x, universe, np.empty(0), None, known)

    def _start(self, fields: tuple[str, ...], universe: int) -> None:
        self._stop()
        self._recorded = fields, universe, self._interval
        self._history.interval = self._interval
        self._subscription = self.motor.subscribe(
            every=self._interval, fields=_each_once(fields), universe=universe, delivery="recent", capacity=_WAITING
        )
        self.refresh(restarted=True)

    def _stop(self) -> None:
        self._recorded = None
        self._history.clear()
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _read_rows(self) -> bool:
        """Takes over the rows that wait; returns whether there were any."""
        found = False
        while self._subscription is not None and self._recorded is not None and self._subscription.waiting:
            received = self._subscription.get(0)
            if received is not None:
                self._history.append(received.step, _row(received, self._recorded[0]))
                found = True
        return found

    def _draw(self, *, moving: bool) -> None:
        if self._request is None:
            return
        found, step = self._history.values(self._request.region), self._history.step
        if found is not None and step is not None:
            self._newest.put(self._renderer.render(step, self._request, *found, moving))


def _each_once(fields: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(fields))


def _row(received: Frame, fields: tuple[str, ...]) -> NDArray[np.generic]:
    """The row `([3,] W)` of one field, or the rows `(n, W)` of several."""
    return received[fields[0]][0] if len(fields) == 1 else np.stack([received[name][0] for name in fields])
