"""A motor as a source of frames: one thread steps it, another serves the window."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.downsample import interleaved
from aetheria.observe.feed import Frame, Subscription
from aetheria.observe.request import Request
from aetheria.runs.config import RunConfig
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.palette import find_levels, first_view_settings
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice, FrameRequest, Levels, ViewSettings
from viewer.sources.runner import Runner
from viewer.sources.source import RateMeter, Worker, field_choices, observable_names

T = TypeVar("T")
_SAMPLE = 128  # side of the sample of cells for the levels
_PROBE_S = 0.25  # seconds between two samples
_STILL_S = 0.05  # seconds without a frame after which the newest cells are requested


class LiveSource(Worker):
    """A motor: one that the viewer steps, or one that other code steps and the window only shows and edits.

    Attributes:
        config: the config of the motor, if it has one.
    """

    live = True

    def __init__(
        self,
        motor: Aetheria_Motor,
        *,
        title: str = "",
        config: RunConfig | None = None,
        steps_it: bool = True,
        borrowed: bool = False,
    ) -> None:
        """
        Args:
            motor: the motor to show.
            title: title shown to the user.
            config: the config of the motor.
            steps_it: the viewer steps the motor; False when the user's own code does.
            borrowed: the motor stays open when the source is closed.
        """
        self.motor = motor
        self.config = config
        self.title = title or motor.traits.name
        batch, channels, height, width = motor.shape
        self.grid, self.universes = (height, width), batch
        traits = motor.traits
        first = self._first_field(config) or traits.default_field
        self.fields = field_choices(traits.fields, traits.d_state, channels, first)
        self.first_view_settings = first_view_settings(self.fields, config)
        self.observables = observable_names(traits.fields)
        self.samples: deque[tuple[int, NDArray[np.generic]]] = deque(maxlen=1)  # the newest sample: step and values
        self._choices: dict[str, FieldChoice] = {choice.name: choice for choice in self.fields}
        self._request: FrameRequest | None = None
        self._subscription: Subscription | None = None
        self._watched: ViewSettings | None = None  # the settings that the levels are for
        self._levels: Levels | None = None
        self._probed: tuple[int, object] | None = None
        self._steps, self._bytes, self._shown = RateMeter(), RateMeter(), RateMeter()
        self._taken = 0
        self._seen, self._seen_at = -1, 0.0  # step and arrival time of the newest frame
        self._dropped = 0
        super().__init__("viewer source")
        self.runner = Runner(motor, self.report_error) if steps_it else None
        self.runs = steps_it
        self._borrowed = borrowed or not steps_it

    # -- frames -------------------------------------------------------------------------------------------------

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        before, self._request = self._request, frame_request
        if before != frame_request:
            self.submit(self._watch, name="watch")

    def next_frame(self) -> RenderedFrame | None:
        if self._subscription is None:
            return None
        received = self._subscription.get(0)
        now = time.monotonic()
        if received is None or received.request is None:
            # The last steps before a stop were too close to the frame before, or the request changed while a frame waited.
            if self._late() and now - self._seen_at > _STILL_S:
                self._seen_at = now
                self.submit(self._catch_up, name="refresh")
            return None
        self._taken += 1
        self._seen = received.step
        self._seen_at = now if received.request is self._subscription.request else 0.0  # of an old request: refresh at once
        return frame_of(received, received.request, self.grid)

    def _late(self) -> bool:
        """Whether the newest frame is older than the newest cells or than the request."""
        return self._seen != self.motor.step_count or (self._subscription is not None and self._subscription.behind)

    def _catch_up(self) -> None:
        # Not while a frame waits: it would be dropped, and requested again.
        if self._subscription is not None and not self._subscription.waiting and self._late():
            self.motor.refresh()

    def _watch(self) -> None:
        """Brings the subscription in line with the request."""
        frame_request = self._request
        if frame_request is None:
            if self._subscription is not None:
                self._dropped += self._subscription.dropped
                self._subscription.close()
                self._subscription = None
            return
        settings = replace(frame_request.view_settings, colours=None)
        if settings != self._watched:
            self._probe(frame_request, ease=False)
            self._watched = settings
        request = self._make_request(frame_request)
        if self._subscription is None or self._subscription.rate != frame_request.rate:
            if self._subscription is not None:
                self._subscription.close()
            self._subscription = self.motor.watch(request, frame_request.rate)
        self._subscription.request = request
        self.motor.refresh()

    def _make_request(self, frame_request: FrameRequest) -> Request:
        settings = frame_request.view_settings
        assert self._levels is not None
        return self.motor.request(
            [settings.field],
            frame_request.size,
            "uint8",
            {settings.field: self._levels},
            region=frame_request.region.as_tuple(),
            universe=settings.universe,
            finite=True,
        )

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
                self._subscription.request = self._make_request(frame_request)
                self.motor.refresh()
        return _PROBE_S

    def invalidate_levels(self) -> None:
        """Finds levels and histogram anew: the cells were edited, possibly while the motor stood still."""
        self._probed = None

    def _probe(self, frame_request: FrameRequest, *, ease: bool) -> None:
        settings = frame_request.view_settings
        choice = self._choices[settings.field]
        # The cells nearest to the points of a raster, not averages: the levels must include the extremes.
        request = self.motor.request(
            [settings.field], _SAMPLE, region=frame_request.region.as_tuple(), universe=settings.universe, reduction="nearest"
        )
        received = self.motor.look(request)
        values = received[settings.field]
        self.samples.append((received.step, values))
        self._levels = find_levels(settings, choice, values, self._levels if ease else None)
        self._probed = (received.step, frame_request)

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        shown = self._request.view_settings.field if self._request is not None else self.fields[0].name
        self.submit_with_motor(lambda motor: _cell(motor, y, x, universe, shown), then, "inspect")

    # -- running -------------------------------------------------------------------------------------------------

    def play(self, playing: bool) -> None:
        if self.runner is not None:
            self.runner.set(playing=playing)

    def advance_updates(self, updates: int) -> None:
        if self.runner is not None and updates > 0:
            self.runner.run_steps(updates * self.runner.stride)

    def go_to(self, step: int) -> None:
        """Steps on to `step`; restarts first if that is in the past."""
        if self.runner is None:
            return

        def restart_if_earlier() -> None:
            assert self.runner is not None
            self.runner.halt()
            if step < self.motor.step_count:
                self.motor.restart()
                self.report_restart()
            self.runner.run_steps(step - self.motor.step_count)

        self.runner.set(playing=False)
        self.submit(restart_if_earlier)

    def set_speed(self, speed: float | None, stride: int) -> None:
        if self.runner is not None:
            self.runner.set(speed=speed, stride=stride)

    def submit_paused(self, job: Callable[[Aetheria_Motor], T], then: Callable[[T], None] | None = None) -> None:
        """As `submit_with_motor`, after the steps in progress have ended: the displayed cells are those that the job leaves."""

        def stopped() -> T:
            if self.runner is not None:
                self.runner.halt()
            return job(self.motor)

        self.play(False)
        self.submit(stopped, then)

    def submit_with_motor(
        self, job: Callable[[Aetheria_Motor], T], then: Callable[[T], None] | None = None, name: str = ""
    ) -> None:
        """Runs a job with the motor in the worker thread; `then` is called with the result by `run_callbacks`."""
        self.submit(lambda: job(self.motor), then, name)

    def status(self) -> Status:
        motor, runner = self.motor, self.runner
        steps_per_s = self._steps(motor.step_count)
        batch, _, height, width = motor.shape
        plan = motor.plan
        stats = motor.optimizer.get_memory_stats()
        memory = stats.get("gpu_allocated_mb", stats.get("resident_mb"))
        named = "not yet planned" if plan is None else plan.name
        return Status(
            step=motor.step_count,
            playing=runner.busy if runner is not None else steps_per_s > 0,
            steps_per_s=steps_per_s,
            cells_per_s=steps_per_s * batch * height * width,
            frames_per_s=self._shown(self._taken),
            dropped=self._dropped + (self._subscription.dropped if self._subscription is not None else 0),
            device=str(motor.device),
            plan=f"{named}, faster plan in preparation" if motor.planning else named,
            plan_reason="" if plan is None else plan.reason,
            memory_mb=float(memory) if memory is not None else None,
            bytes_per_s=self._bytes(motor.optimizer.transfer_stats.bytes),
        )

    def close(self) -> None:
        if self.runner is not None:
            self.runner.close()
        super().close()

    def on_exit(self) -> None:
        """Leaves the motor as it was found: without subscription, and closed if it belongs to the viewer."""
        if self._subscription is not None:
            self._subscription.close()
        if not self._borrowed:
            self.motor.close()

    def _first_field(self, config: RunConfig | None) -> str | None:
        return config.picture.field if config is not None else None


def _cell(motor: Aetheria_Motor, y: int, x: int, universe: int, shown: str) -> CellValues:
    """All channels of a cell and the displayed field, at one step."""
    stored = [f"channel_{k}" for k in range(motor.traits.channels)] if "channel" in motor.traits.fields else []
    names = list(dict.fromkeys([*stored, shown]))
    received = motor.look(motor.request(names, region=(y, x, 1, 1), universe=universe))
    values = {name: np.asarray(received[name], np.float64).ravel() for name in names}
    channels = np.concatenate([values[name] for name in stored]) if stored else np.empty(0)
    return CellValues(received.step, y, x, universe, channels, motor.traits.d_state, {shown: values[shown]})


def frame_of(received: Frame, request: Request, grid: tuple[int, int]) -> RenderedFrame:
    """The frame for display that a feed frame of uint8 pixels holds."""
    name = request.fields[0].name
    return RenderedFrame(
        step=received.step,
        field=name,
        universe=request.universe or 0,
        region=Region(0, 0, *grid) if request.region is None else Region(*request.region.corner, *request.region.size),
        pixels=interleaved(np.asarray(received[name][0], np.uint8)),
        levels=request.levels[name],
        finite=bool(received["finite"][0]),
    )
