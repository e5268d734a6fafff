"""Numbers over time: what the plots show. No Qt."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.fields import FIELDS
from aetheria.recording import Recording
from viewer.controllers.component import Component, ComponentHost
from viewer.model.messages import Message
from viewer.model.time_series import Measurement, Quantity, TimeSeries, capacity_for, write_csv
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource, RateMeter

RATE = "steps_per_s"
_RUNS = 4  # stretches that are kept: the present one and those before the last restarts
_POLL_S = 0.1
_READ_S = 1.0  # seconds between two looks at a recording that grows
_SHARE = 0.2  # of the time that may go into computing numbers that take long


class SeriesController(Component):
    """Collects what is chosen while somebody looks at it.

    Attributes:
        offered: what the open source can tell.
        chosen: names of what is plotted, in the order they are offered.
        shown: whether the plots are in view; nothing is computed for plots that are not.
        runs: what was collected; the present stretch is the last.
        listeners: called after any of these changed.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.offered: tuple[Quantity, ...] = ()
        self.chosen: tuple[str, ...] = ()
        self.shown = False
        self.stretches: deque[TimeSeries] = deque(maxlen=_RUNS)
        self.listeners: list[Callable[[], None]] = []
        self._wished: tuple[str, ...] = ()
        self._rates = RateMeter()
        self._forget()

    def _forget(self) -> None:
        self._asked = False
        self._seen = -1  # the step of the newest sample, or how many frames of a recording were read
        self._due = 0.0

    # -- what the user chooses -----------------------------------------------------------------------------------

    def choose(self, names: Sequence[str]) -> None:
        """Plots these, as far as they are offered."""
        self._wished = tuple(names)
        self.chosen = tuple(q.name for q in self.offered if q.name in names)
        self._forget()
        self._changed()

    def clear(self) -> None:
        """Forgets what was collected."""
        self.stretches.clear()
        self._forget()
        self._changed()

    def save_csv(self, path: Path) -> None:
        """Writes what was collected as a table, in the source's own thread; see `write_csv`."""
        source = self.controller.source
        if source is not None:
            tables = [run.copy() for run in self.stretches]
            quantities, view = self.offered, self.controller.view
            saved = Message("note", f"Saved {path.name}.")
            source.submit(lambda: write_csv(path, tables, quantities), lambda _: view.show_message(saved))

    # -- what happens --------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        named = [_quantity(name) for name in source.observables]
        self.offered = (*named, Quantity(RATE, "steps taken in a second", "steps/s"))
        self._rates = RateMeter()
        self.stretches.clear()
        self.choose(self._wished or [self.offered[0].name])

    def closed(self) -> None:
        self.offered, self.chosen = (), ()
        self.clear()

    def restarted(self) -> None:
        self._seen = -1
        if self.stretches and len(self.stretches[-1]):
            self.stretches.append(self._new_run())

    def tick(self) -> None:
        source = self.controller.source
        now = time.monotonic()
        if not (self.shown and self.controller.visible and self.chosen) or self._asked or now < self._due:
            return
        if isinstance(source, LiveSource) and source.motor.step_count != self._seen:
            self._asked = True
            names = [name for name in self.chosen if name in source.observables]
            source.submit_with_motor(lambda motor: measured(motor, names), self._measured)
        elif isinstance(source, RecordingSource) and len(source.steps) != self._seen:
            self._asked = True
            chosen = self.chosen
            source.submit_with_recording(lambda recording: recorded(recording, chosen), self._series_read)

    def _series_read(self, answer: tuple[int, TimeSeries] | Exception) -> None:
        self._asked = False
        if isinstance(answer, Exception):
            self._stop_after(answer)
            return
        self._due = time.monotonic() + _READ_S
        self._seen, run = answer
        self.stretches.clear()
        self.stretches.append(run)
        self._changed()

    def _measured(self, answer: Measurement | Exception) -> None:
        self._asked = False
        if isinstance(answer, Exception):
            self._stop_after(answer)
            return
        self._due = time.monotonic() + max(_POLL_S, answer.took / _SHARE)
        self._seen = answer.step
        values = dict(answer.values)
        rate = self._rates(answer.step)
        if RATE in self.chosen:
            values[RATE] = np.array([rate])
        if not self.stretches or (len(self.stretches[-1]) and answer.step < self.stretches[-1].steps[-1]):
            self.stretches.append(self._new_run())
        self.stretches[-1].append(Measurement(answer.step, answer.time, values))
        self._changed()

    def _stop_after(self, error: Exception) -> None:
        self.choose(())  # or it would fail ten times a second
        self.controller.failed(error)

    def _new_run(self) -> TimeSeries:
        source = self.controller.source
        return TimeSeries(capacity_for(source.universes if source is not None else 1))

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()


def measured(motor: Aetheria_Motor, names: Sequence[str]) -> Measurement | Exception:
    """The observables of a motor's present cells; with no names, only its step. What goes wrong is the answer."""
    began = time.thread_time()  # of this thread: waiting for a step to end costs nothing
    try:
        if not names:
            return Measurement(motor.step_count, time.time(), {})
        frame = motor.look(motor.request(names))
        values = {name: np.asarray(frame[name], np.float64) for name in names}
        return Measurement(frame.step, frame.wall_time, values, time.thread_time() - began)
    except Exception as error:  # noqa: BLE001 - the caller tells
        return error


def recorded(recording: Recording, names: Sequence[str]) -> tuple[int, TimeSeries] | Exception:
    """How many frames a recording has, and its observables over all of them. What goes wrong is the answer."""
    try:
        steps = recording.steps
        frames = len(steps)
        times = recording.wall_times[:frames]
        values = {name: recording.observable(name)[:frames] for name in names if name != RATE}
        if RATE in names:
            with np.errstate(divide="ignore", invalid="ignore"):
                rate = np.diff(steps) / np.diff(times)
            values[RATE] = np.concatenate((rate[:1], rate))[:frames, None]
        return frames, TimeSeries.from_columns(steps, times, values, capacity_for(int(recording.attributes["universes"])))
    except Exception as error:  # noqa: BLE001 - the caller tells
        return error


def _quantity(name: str) -> Quantity:
    field = FIELDS.get(name)  # a recording may hold what this version does not know
    return Quantity(name, "" if field is None else field.meaning, "1" if field is None else field.unit)
