"""Frames of a motor whose grid has two or three axes: rendered on the device at most `rate` times a second. No Qt."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.downsample import interleaved
from aetheria.observe.feed import Subscription
from aetheria.observe.frame import Frame
from aetheria.observe.request import Request
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.palette import fitted_levels, mix_key, mixed
from viewer.model.plane import Plane, PlaneSlice
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice, FrameRequest, Levels, ViewSettings

_SAMPLE = 128  # side of the sample of cells for the levels
_PROBE_S = 0.25  # seconds between two samples
_STILL_S = 0.05  # seconds without a frame after which the newest cells are requested


class LiveFrames(Protocol):
    """The frames of a motor. All methods but `next_frame` are called in the thread of the source.

    Attributes:
        samples: as of a `FrameSource`.
        dropped: frames that were due while the window was busy, and were not rendered.
    """

    samples: deque[tuple[int, NDArray[np.generic]]]

    @property
    def dropped(self) -> int:
        """Frames that were due while the window was busy, and were not rendered."""

    def request(self, frame_request: FrameRequest | None) -> None:
        """Requests frames like this from now on; None for no frames."""

    def next_frame(self) -> RenderedFrame | None:
        """The newest unread frame, None if there is none; never waits."""

    def refresh(self, restarted: bool = False) -> None:
        """Renders the present cells again: they were edited, or the run was restarted."""

    def set_interval(self, steps: int) -> None:
        """Sets the steps from row to row of a space-time picture."""

    def invalidate_levels(self) -> None:
        """Finds levels and samples anew."""

    def background_work(self) -> float | None:
        """Work that is due; returns the seconds until the next call, None for never."""

    def read_cell(self, y: int, x: int, universe: int) -> CellValues | None:
        """The values at a place of the plane; None where there are none."""


class GridFrames:
    """Frames of the cells, or of a slice of a volume, in which the device transfers only visible pixels."""

    def __init__(
        self,
        motor: Aetheria_Motor,
        plane: Plane,
        choices: Mapping[str, FieldChoice],
        settings: ViewSettings,
        submit: Callable[[Callable[[], None], None, str], None],
    ) -> None:
        """
        Args:
            plane: of the motor's grid, at any slice.
            choices: the fields, by name.
            settings: the initial view.
            submit: runs a named job in the thread of the source.
        """
        self.motor, self._plane, self._choices, self._submit = motor, plane, choices, submit
        self._settings = settings
        self.samples: deque[tuple[int, NDArray[np.generic]]] = deque(maxlen=1)
        self._request: FrameRequest | None = None
        self._subscription: Subscription | None = None
        self._watched: ViewSettings | None = None  # the settings that the levels are for
        self._levels: tuple[Levels, ...] | None = None
        self._sent: deque[tuple[Request, ViewSettings]] = deque(maxlen=4)  # of the newest requests
        self._probed: tuple[int, object] | None = None
        self._seen, self._seen_at = -1, 0.0  # step and arrival time of the newest frame
        self._dropped = 0

    @property
    def dropped(self) -> int:
        return self._dropped + (self._subscription.dropped if self._subscription is not None else 0)

    def next_frame(self) -> RenderedFrame | None:
        if self._subscription is None:
            return None
        received = self._subscription.get(0)
        now = time.monotonic()
        if received is None or received.request is None:
            # The last steps before a stop were too close to the frame before, or the request changed while a frame waited.
            if self._late() and now - self._seen_at > _STILL_S:
                self._seen_at = now
                self._submit(self._catch_up, None, "refresh")
            return None
        self._seen = received.step
        self._seen_at = now if received.request is self._subscription.request else 0.0  # of an old request: refresh at once
        settings = next((settings for sent, settings in self._sent if sent is received.request), None)
        if settings is not None and settings.mix is not None:
            return _mixed_frame(received, received.request, settings, self._choices)
        return frame_of(received, received.request)

    def request(self, frame_request: FrameRequest | None) -> None:
        self._request = frame_request
        if frame_request is None:
            self._dropped = self.dropped
            if self._subscription is not None:
                self._subscription.close()
                self._subscription = None
            return
        settings = frame_request.view_settings.measured
        if settings != self._watched:
            self._probe(frame_request, ease=False)
            self._watched = settings
        request = self._motor_request(frame_request)
        if self._subscription is None or self._subscription.rate != frame_request.rate:
            if self._subscription is not None:
                self._subscription.close()
            self._subscription = self.motor.watch(request, frame_request.rate)
        self._subscription.request = request
        self.motor.refresh()

    def refresh(self, restarted: bool = False) -> None:
        self.motor.refresh()

    def set_interval(self, steps: int) -> None:
        """Does nothing: every frame shows the present cells."""

    def invalidate_levels(self) -> None:
        self._probed = None

    def background_work(self) -> float | None:
        """Samples the visible cells four times a second, for levels and histogram."""
        frame_request = self._request
        if frame_request is None or self._subscription is None:
            return None
        if self._probed != (self.motor.step_count, frame_request):
            before = self._levels
            # Moving cells may leave the view and come back: eased. For cells at rest the levels are set at once.
            self._probe(frame_request, ease=self._probed is not None and self._probed[0] != self.motor.step_count)
            if self._levels != before:
                self._subscription.request = self._motor_request(frame_request)
                self.motor.refresh()
        return _PROBE_S

    def read_cell(self, y: int, x: int, universe: int) -> CellValues | None:
        settings = self._settings if self._request is None else self._request.view_settings
        return read_cell(self.motor, self._plane, settings, y, x, universe)

    def _late(self) -> bool:
        """Whether the newest frame is older than the newest cells or than the request."""
        return self._seen != self.motor.step_count or (self._subscription is not None and self._subscription.behind)

    def _catch_up(self) -> None:
        # Not while a frame waits: it would be dropped, and requested again.
        if self._subscription is not None and not self._subscription.waiting and self._late():
            self.motor.refresh()

    def _motor_request(self, frame_request: FrameRequest) -> Request:
        settings = frame_request.view_settings
        assert self._levels is not None
        levels = dict(zip(settings.fields, self._levels, strict=True))
        request = self.motor.request(
            list(levels),
            frame_request.size,
            "uint8",
            levels,
            region=frame_request.region.block,
            slice=replace(self._plane, slice=settings.slice).cuts,
            universe=settings.universe,
            log=settings.log,
            finite=True,
        )
        self._sent.append((request, settings))
        return request

    def _probe(self, frame_request: FrameRequest, *, ease: bool) -> None:
        settings = frame_request.view_settings
        # The cells nearest to the points of a raster, not averages: the levels must include the extremes.
        request = self.motor.request(
            list(dict.fromkeys(settings.fields)),
            _SAMPLE,
            region=frame_request.region.block,
            slice=replace(self._plane, slice=settings.slice).cuts,
            universe=settings.universe,
            reduction="nearest",
        )
        received = self.motor.look(request)
        self.samples.append((received.step, received[settings.field]))
        before = self._levels if ease else None
        self._levels = tuple(
            fitted_levels(settings.of_field(k), self._choices[name], received[name], None if before is None else before[k])
            for k, name in enumerate(settings.fields)
        )
        self._probed = (received.step, frame_request)


def read_cell(motor: Aetheria_Motor, plane: Plane, settings: ViewSettings, y: int, x: int, universe: int) -> CellValues:
    """All channels of a present cell and the displayed field, at one step; of a mean or maximum only the field."""
    plane, shown, traits = replace(plane, slice=settings.slice), settings.field, motor.traits
    region = Region(0 if plane.space_time else y, x, 1, 1)
    if any(isinstance(cut, str) for cut in plane.cuts.values()):
        frame = motor.look(motor.request([shown], region=region.block, slice=plane.cuts, universe=universe))
        return CellValues(frame.step, y, x, universe, np.empty(0), None, {shown: np.asarray(frame[shown], np.float64).ravel()})
    stored = [f"channel_{k}" for k in range(traits.channels)] if "channel" in traits.fields else []
    names = list(dict.fromkeys([*stored, shown]))
    frame = motor.look(motor.request(names, region=plane.block(region), universe=universe))
    values = {name: np.asarray(frame[name], np.float64).ravel() for name in names}
    channels = np.concatenate([values[name] for name in stored]) if stored else np.empty(0)
    return CellValues(frame.step, y, x, universe, channels, traits.d_state, {shown: values[shown]})


def frame_of(received: Frame, request: Request) -> RenderedFrame:
    """The frame for display that a feed frame of uint8 pixels holds; its request has a region."""
    name, block = request.fields[0].name, request.region
    assert block is not None
    return RenderedFrame(
        step=received.step,
        field=name,
        universe=request.universe or 0,
        region=Region(*block.corner, *block.size),
        pixels=interleaved(np.asarray(received[name][0], np.uint8)),
        levels=request.levels[name],
        finite=bool(received["finite"][0]),
        slice=next((PlaneSlice(axis, cut) for axis, cut in request.slice.items()), None),
        log=request.log,
    )


def _mixed_frame(
    received: Frame, request: Request, settings: ViewSettings, choices: Mapping[str, FieldChoice]
) -> RenderedFrame:
    """The frame for display of several fields, whose pixels are colours."""
    planes = [np.asarray(received[name][0], np.uint8) for name in settings.fields]
    levels = tuple(request.levels[name] for name in settings.fields)
    frame = replace(frame_of(received, request), field=settings.field, levels=levels[0])
    return replace(frame, pixels=mixed(planes, settings, choices), mix=mix_key(settings.mix), other_levels=levels[1:])
