"""Keeps the centre of mass in the middle of the view. No Qt."""

import math
import time

import numpy as np

from aetheria.motor import Aetheria_Motor
from viewer.feature import Feature, Host
from viewer.live import LiveSource
from viewer.model import Message, Picture
from viewer.source import Source

_EVERY_S = 0.1  # between two looks for the centre of mass
_GLIDE_S = 0.15  # in which the view comes two thirds of the way to it
_STILL = 0.02  # cells that are not worth moving for
_CENTRE = ("centre_y", "centre_x")


class Following(Feature):
    """While `model.follow` is on, looks for the centre of mass in the source's thread, and glides there."""

    def __init__(self, controller: Host) -> None:
        super().__init__(controller)
        self._target: tuple[float, float] | None = None
        self._at: tuple[float, float] | None = None  # the middle of the view; None before it was moved
        self._picture: Picture | None = None  # that the target is of
        self._universe = 0
        self._due = self._before = 0.0
        controller.model.listeners.append(self._model_changed)

    def stop(self) -> None:
        """The user moved the view."""
        self.controller.model.set(follow=False)

    def opened(self, source: Source) -> None:
        self._forget()

    def closed(self) -> None:
        self._forget()

    def tick(self) -> None:
        source, model, now = self.controller.source, self.controller.model, time.monotonic()
        if not model.follow or not self.controller.visible or not isinstance(source, LiveSource) or model.look is None:
            return
        if not set(_CENTRE) <= set(source.observables):
            self.stop()
            self.controller.view.show_message(Message("note", "This law does not say where its centre of mass is."))
            return
        picture, universe = self.controller.picture, model.look.universe
        if universe != self._universe:
            self._forget()
            self._universe = universe
        if now >= self._due and picture is not self._picture:
            self._picture, self._due = picture, now + _EVERY_S
            source.ask(lambda motor: _centre_of_mass(motor, universe), self._take, "follow")
        self._glide(source.grid, min(now - self._before, 0.1))
        self._before = now

    def _take(self, centre: tuple[float, float]) -> None:
        if self.controller.model.follow and all(map(math.isfinite, centre)):
            self._target = centre

    def _glide(self, grid: tuple[int, int], passed: float) -> None:
        target, at = self._target, self._at
        if target is None:
            return
        share = 1 - math.exp(-passed / _GLIDE_S)
        if at is None or any(abs(end - start) > size / 2 for start, end, size in zip(at, target, grid, strict=True)):
            at = target  # at first, and when it comes round the torus
        elif max(abs(target[0] - at[0]), abs(target[1] - at[1])) < _STILL:
            at = target
        else:
            at = (at[0] + share * (target[0] - at[0]), at[1] + share * (target[1] - at[1]))
        self._at = at  # told again and again: zooming at the cursor moves the middle
        self.controller.view.centre(*at)

    def _model_changed(self, changed: frozenset[str]) -> None:
        if "follow" in changed:
            self._forget()

    def _forget(self) -> None:
        self._target, self._at, self._picture, self._due = None, None, None, 0.0


def _centre_of_mass(motor: Aetheria_Motor, universe: int) -> tuple[float, float]:
    """(y, x) in the plane of cells, where cell 0 reaches from 0 to 1."""
    frame = motor.look(motor.request(_CENTRE, universe=universe))
    y, x = (float(np.asarray(frame[name]).ravel()[0]) for name in _CENTRE)
    return y + 0.5, x + 0.5
