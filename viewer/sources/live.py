"""A motor as a source of pictures: one thread steps it, another serves the window."""

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
from viewer.model.palette import find_levels, first_view_settings
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice, Levels, ViewSettings, FrameRequest
from viewer.sources.runner import Runner
from viewer.sources.source import RateMeter, Worker, field_choices, observable_names

T = TypeVar("T")
_SAMPLE = 128  # side of the sample of cells from which levels are found
_PROBE_S = 0.25  # seconds between two samples
_STILL_S = 0.05  # seconds without a picture after which the newest cells are asked for


class LiveSource(Worker):
    """A motor: its own to step, or one that somebody else steps and the window only watches and edits.

    Attributes:
        config: what the motor was built from, if it was.
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
            motor: to watch.
            title: for people.
            config: what it was built from.
            steps_it: the viewer steps it; False when the user's own code does.
            borrowed: the motor goes on when this is closed.
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
        self._wanted: FrameRequest | None = None
        self._frames: Subscription | None = None
        self._watched: ViewSettings | None = None  # what the levels are for
        self._levels: Levels | None = None
        self._probed: tuple[int, object] | None = None
        self._steps, self._bytes, self._shown = RateMeter(), RateMeter(), RateMeter()
        self._taken = 0
        self._seen, self._seen_at = -1, 0.0  # the step of the newest picture, and when it came
        self._dropped = 0
        super().__init__("viewer source")
        self.runner = Runner(motor, self.tell) if steps_it else None
        self.runs = steps_it
        self._borrowed = borrowed or not steps_it

    # -- pictures ------------------------------------------------------------------------------------------------

    def show(self, wanted: FrameRequest | None) -> None:
        before, self._wanted = self._wanted, wanted
        if before != wanted:
            self.do(self._watch, name="watch")

    def picture(self) -> RenderedFrame | None:
        if self._frames is None:
            return None
        frame = self._frames.get(0)
        now = time.monotonic()
        if frame is None or frame.request is None:
            # The last steps before a standstill were too close to the frame before; or a change came while one waited.
            if self._late() and now - self._seen_at > _STILL_S:
                self._seen_at = now
                self.do(self._catch_up, name="refresh")
            return None
        self._taken += 1
        self._seen = frame.step
        self._seen_at = now if frame.request is self._frames.request else 0.0  # of before a change: the next at once
        return frame_of(frame, frame.request, self.grid)

    def _late(self) -> bool:
        """Whether the newest picture is not of the newest cells, or not of all that is wanted now."""
        return self._seen != self.motor.step_count or (self._frames is not None and self._frames.behind)

    def _catch_up(self) -> None:
        # Not while one waits: it would be dropped, and asked for again.
        if self._frames is not None and not self._frames.waiting and self._late():
            self.motor.refresh()

    def _watch(self) -> None:
        """Makes the subscription what is wanted now."""
        wanted = self._wanted
        if wanted is None:
            if self._frames is not None:
                self._dropped += self._frames.dropped
                self._frames.close()
                self._frames = None
            return
        look = replace(wanted.look, colours=None)
        if look != self._watched:
            self._probe(wanted, ease=False)
            self._watched = look
        request = self._request(wanted)
        if self._frames is None or self._frames.rate != wanted.rate:
            if self._frames is not None:
                self._frames.close()
            self._frames = self.motor.watch(request, wanted.rate)
        self._frames.request = request
        self.motor.refresh()

    def _request(self, wanted: FrameRequest) -> Request:
        look = wanted.look
        assert self._levels is not None
        return self.motor.request(
            [look.field],
            wanted.size,
            "uint8",
            {look.field: self._levels},
            region=wanted.region.as_tuple(),
            universe=look.universe,
            finite=True,
        )

    def idle(self) -> float | None:
        """Looks at a sample of the cells in view now and then, for levels and histogram."""
        wanted = self._wanted
        if wanted is None or self._frames is None:
            return None
        if self._probed != (self.motor.step_count, wanted):
            before = self._levels
            # What moves may move out of viewport and back; of what stands still the levels are found at once.
            self._probe(wanted, ease=self._probed is not None and self._probed[0] != self.motor.step_count)
            if self._levels != before:
                self._frames.request = self._request(wanted)
                self.motor.refresh()
        return _PROBE_S

    def look_again(self) -> None:
        """The cells were edited, perhaps while the motor stood still: levels and histogram are found anew."""
        self._probed = None

    def _probe(self, wanted: FrameRequest, *, ease: bool) -> None:
        look = wanted.look
        choice = self._choices[look.field]
        # The cells nearest to the points of a raster, not averages: levels must hold the extremes.
        request = self.motor.request(
            [look.field], _SAMPLE, region=wanted.region.as_tuple(), universe=look.universe, reduction="nearest"
        )
        frame = self.motor.look(request)
        values = frame[look.field]
        self.samples.append((frame.step, values))
        self._levels = find_levels(look, choice, values, self._levels if ease else None)
        self._probed = (frame.step, wanted)

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        shown = self._wanted.look.field if self._wanted is not None else self.fields[0].name
        self.ask(lambda motor: _cell(motor, y, x, universe, shown), then, "inspect")

    # -- running -------------------------------------------------------------------------------------------------

    def play(self, playing: bool) -> None:
        if self.runner is not None:
            self.runner.set(playing=playing)

    def advance(self, beats: int) -> None:
        if self.runner is not None and beats > 0:
            self.runner.take(beats * self.runner.stride)

    def go_to(self, step: int) -> None:
        """Steps on to `step`; for an earlier one, restarts first."""
        if self.runner is None:
            return

        def restart_if_earlier() -> None:
            assert self.runner is not None
            self.runner.halt()
            if step < self.motor.step_count:
                self.motor.restart()
                self.tell_restart()
            self.runner.take(step - self.motor.step_count)

        self.runner.set(playing=False)
        self.do(restart_if_earlier)

    def pace(self, speed: float | None, stride: int) -> None:
        if self.runner is not None:
            self.runner.set(speed=speed, stride=stride)

    def ask_at_rest(self, job: Callable[[Aetheria_Motor], T], then: Callable[[T], None] | None = None) -> None:
        """As `ask`, and the steps that are being taken come to an end before: what the job leaves is what is shown."""

        def stopped() -> T:
            if self.runner is not None:
                self.runner.halt()
            return job(self.motor)

        self.play(False)
        self.do(stopped, then)

    def ask(self, job: Callable[[Aetheria_Motor], T], then: Callable[[T], None] | None = None, name: str = "") -> None:
        """Does something with the motor in the worker's thread; `then` is called with the result, from `settle`."""
        self.do(lambda: job(self.motor), then, name)

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
            dropped=self._dropped + (self._frames.dropped if self._frames is not None else 0),
            device=str(motor.device),
            plan=f"{named}, a faster one is being made" if motor.planning else named,
            plan_reason="" if plan is None else plan.reason,
            memory_mb=float(memory) if memory is not None else None,
            bytes_per_s=self._bytes(motor.optimizer.transfer_stats.bytes),
        )

    def close(self) -> None:
        if self.runner is not None:
            self.runner.close()
        super().close()

    def finished(self) -> None:
        """Leaves the motor as it was found: unwatched, and closed if it was the viewer's own."""
        if self._frames is not None:
            self._frames.close()
        if not self._borrowed:
            self.motor.close()

    def _first_field(self, config: RunConfig | None) -> str | None:
        return config.picture.field if config is not None else None


def _cell(motor: Aetheria_Motor, y: int, x: int, universe: int, shown: str) -> CellValues:
    """All channels of a cell and the field that is shown, of one step."""
    stored = [f"channel_{k}" for k in range(motor.traits.channels)] if "channel" in motor.traits.fields else []
    names = list(dict.fromkeys([*stored, shown]))
    frame = motor.look(motor.request(names, region=(y, x, 1, 1), universe=universe))
    values = {name: np.asarray(frame[name], np.float64).ravel() for name in names}
    channels = np.concatenate([values[name] for name in stored]) if stored else np.empty(0)
    return CellValues(frame.step, y, x, universe, channels, motor.traits.d_state, {shown: values[shown]})


def frame_of(frame: Frame, request: Request, grid: tuple[int, int]) -> RenderedFrame:
    """The picture that a frame of uint8 pixels holds."""
    name = request.fields[0].name
    return RenderedFrame(
        step=frame.step,
        field=name,
        universe=request.universe or 0,
        region=Region(*(request.region or (0, 0, *grid))),
        pixels=interleaved(np.asarray(frame[name][0], np.uint8)),
        levels=request.levels[name],
        finite=bool(frame["finite"][0]),
    )
