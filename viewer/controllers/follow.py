"""Keeps the centre of mass in the middle of the view. No Qt."""

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.component import Component, ComponentHost
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource

_EVERY_S = 0.1  # between two measurements of the centre of mass
_SOON_S = 1 / 60  # while the speed is unknown: on a torus only motion by less than half the grid between two measurements shows
_GLIDE_S = 0.15  # time constant of the view's approach
Point = tuple[float, float]


@dataclass(frozen=True)
class CentreTrack:
    """Measured position of the centre of mass in cells, and its speed in cells per second.

    Attributes:
        torus: (height, width) of a periodic grid, where the shortest way may cross an edge; None for other grids.
    """

    at: Point
    seen: float
    speed: Point = (0.0, 0.0)
    torus: tuple[int, int] | None = None

    def way(self, start: Point, end: Point) -> Point:
        """The shortest vector from one point to another."""
        down, right = end[0] - start[0], end[1] - start[1]
        if self.torus is None:
            return down, right
        height, width = self.torus
        return (down + height / 2) % height - height / 2, (right + width / 2) % width - width / 2

    def then(self, at: Point, seen: float) -> "CentreTrack":
        """The track after another measurement. Uses the last speed: a fast object may pass more than half a torus."""
        passed = max(seen - self.seen, 1e-3)
        speed = self.speed if passed < 3 * _EVERY_S else (0.0, 0.0)  # the run stood still
        down, right = speed[0] * passed, speed[1] * passed
        more_down, more_right = self.way((self.at[0] + down, self.at[1] + right), at)
        return CentreTrack(at, seen, ((down + more_down) / passed, (right + more_right) / passed), self.torus)

    def led(self, view: Point, passed: float, now: float | None) -> Point:
        """The new centre of the view: it moves with the centre of mass and decays exponentially towards it.

        Args:
            view: the present centre.
            passed: seconds since the last call.
            now: the present time; None while the run stands still.
        """
        speed = self.speed if now is not None else (0.0, 0.0)
        since = 0.0 if now is None else min(now - self.seen, 2 * _EVERY_S)
        along = view[0] + passed * speed[0], view[1] + passed * speed[1]
        down, right = self.way(along, (self.at[0] + since * speed[0], self.at[1] + since * speed[1]))
        share = 1 - math.exp(-passed / _GLIDE_S)
        y, x = along[0] + share * down, along[1] + share * right
        return (y, x) if self.torus is None else (y % self.torus[0], x % self.torus[1])


class FollowController(Component):
    """Measures the centre of mass in the source's thread while `model.follow` is on, and moves the view there."""

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self._track: CentreTrack | None = None
        self._view: Point | None = None  # centre of the view; None before the first move
        self._frame: RenderedFrame | None = None  # the frame of the last measurement
        self._universe = 0
        self._wait = _SOON_S  # until the next measurement; doubled each time, as the speed becomes better known
        self._due = self._before = 0.0
        controller.model.listeners.append(self._model_changed)

    @property
    def wraps(self) -> bool:
        """Whether the view is drawn as a torus."""
        source = self.controller.source
        if not self.controller.model.follow or not isinstance(source, LiveSource) or source.plane.space_time:
            return False
        return source.motor.traits.boundary == "periodic"

    def stop(self) -> None:
        """Stops following; called when the user moves the view."""
        self.controller.model.set(follow=False)

    def opened(self, source: FrameSource) -> None:
        self._forget()

    def closed(self) -> None:
        self._forget()

    def restarted(self) -> None:
        self._forget()

    def tick(self) -> None:
        source, model, now = self.controller.source, self.controller.model, time.monotonic()
        if not model.follow or not self.controller.visible or not isinstance(source, LiveSource) or model.view_settings is None:
            return
        plane = replace(source.plane, slice=model.view_settings.slice)
        names = [f"centre_{axis}" for axis in plane.shown]
        if not set(names) <= set(source.observables):
            self.stop()
            self.controller.view.show_message(Message("note", "This law has no observable for its centre of mass."))
            return
        frame, universe = self.controller.frame, model.view_settings.universe
        if universe != self._universe:
            self._forget()
            self._universe = universe
        moving = frame is not self._frame
        if moving and now >= self._due:
            if now - self._due > _EVERY_S:  # the run stood still
                self._wait = _SOON_S
            self._frame, self._due, self._wait = frame, now + self._wait, min(2 * self._wait, _EVERY_S)
            source.submit_with_motor(lambda motor: _centre_of_mass(motor, names, universe), self._centre_found, "follow")
        self._glide(now, moving)

    def _centre_found(self, found: tuple[list[float], float]) -> None:
        places, seen = found
        plane, region = self.controller.plane, self.controller.model.region
        if not self.controller.model.follow or not all(map(math.isfinite, places)) or plane is None or region is None:
            return
        y = region.top + region.height / 2 if plane.space_time else places[0]  # rows are steps, which do not move
        centre = (y, places[-1])
        if self._track is not None:
            self._track = self._track.then(centre, seen)
        else:
            self._track = CentreTrack(centre, seen, torus=plane.grid if self.wraps else None)

    def _glide(self, now: float, moving: bool) -> None:
        passed, self._before = min(now - self._before, 0.1), now
        if self._track is not None:
            start = self._view or self._track.at
            self._view = self._track.led(start, passed, now if moving else None)
            # Also when nothing moves: zooming at the cursor shifts the centre.
            self.controller.view.centre(*self._view)

    def _model_changed(self, changed: frozenset[str]) -> None:
        if "follow" in changed:
            self._forget()
        if "view_settings" in changed:
            self._track = None  # the axes of the plane may be others
        if changed & {"speed", "stride"}:
            self._wait, self._due = _SOON_S, 0.0

    def _forget(self) -> None:
        self._track, self._view, self._frame, self._due, self._wait = None, None, None, 0.0, _SOON_S


def _centre_of_mass(motor: Aetheria_Motor, names: list[str], universe: int) -> tuple[list[float], float]:
    """Its place along each axis, where cell 0 covers 0 to 1, and the time of that state."""
    frame = motor.look(motor.request(names, universe=universe))
    places = [float(np.asarray(frame[name]).ravel()[0]) + 0.5 for name in names]
    return places, time.monotonic() - (time.time() - frame.wall_time)
