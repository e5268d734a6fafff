"""Observables over time, for the plots. No Qt."""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.fields import FIELDS, Field
from aetheria.observe.law_fields import known_fields
from aetheria.recording import Recording
from viewer.controllers.component import Component, ComponentHost
from viewer.model.messages import Message
from viewer.model.time_series import Measurement, Quantity, TimeSeries, capacity_for, write_csv
from viewer.sources.elsewhere import ObservedSource
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource, RateMeter

RATE = "steps_per_s"
_RUNS = 4  # time series kept: the present one and those before the last restarts
_POLL_S = 0.1
_READ_S = 1.0  # seconds between two readings of a growing recording
_SHARE = 0.2  # largest share of time for computing observables


class SeriesController(Component):
    """Collects the chosen observables while the plots are visible.

    Attributes:
        offered: the quantities of the open source.
        chosen: names of the plotted quantities, in the order of `offered`.
        shown: whether the plots are visible; otherwise nothing is computed.
        runs: the time series collected; the present one is the last.
        listeners: called after a change of any of these.
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
        self._seen = -1  # step of the newest measurement, or number of frames read from a recording
        self._due = 0.0

    # -- choices ------------------------------------------------------------------------------------------------

    def choose(self, names: Sequence[str]) -> None:
        """Plots these quantities, as far as they are offered."""
        self._wished = tuple(names)
        self._collect(names)

    def _collect(self, names: Sequence[str]) -> None:
        self.chosen = tuple(q.name for q in self.offered if q.name in names)
        self._forget()
        self._changed()

    def clear(self) -> None:
        """Discards what was collected."""
        self.stretches.clear()
        self._forget()
        self._changed()

    def save_csv(self, path: Path) -> None:
        """Writes the time series as CSV, in the source's own thread; see `write_csv`."""
        source = self.controller.source
        if source is not None:
            tables = [run.copy() for run in self.stretches]
            quantities, view = self.offered, self.controller.view
            saved = Message("note", f"Saved {path.name}.")
            source.submit(lambda: write_csv(path, tables, quantities), lambda _: view.show_message(saved))

    # -- component -----------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        known = known_fields(source.motor.traits) if isinstance(source, LiveSource) else FIELDS
        named = [_quantity(name, known) for name in source.observables]
        self.offered = (*named, Quantity(RATE, "steps per second", "steps/s"))
        self._rates = RateMeter()
        self.stretches.clear()
        first = self.offered[0].name
        self._collect(self._wished if any(q.name in self._wished for q in self.offered) else (first,))

    def closed(self) -> None:
        self.offered, self.chosen = (), ()
        self.clear()

    def restarted(self) -> None:
        self._seen = -1
        if self.stretches and len(self.stretches[-1]):
            self.stretches.append(self._new_run())

    def tick(self) -> None:
        source, now = self.controller.source, time.monotonic()
        seen = self.shown and self.controller.visible
        self._take_observed(self.chosen if seen else ())
        if not (seen and self.chosen) or self._asked or now < self._due:
            return
        if isinstance(source, LiveSource) and source.motor.step_count != self._seen:
            self._asked = True
            names = [name for name in self.chosen if name in source.observables]
            source.submit_with_motor(lambda motor: measured(motor, names), self._measured)
        elif isinstance(source, RecordingSource) and len(source.steps) != self._seen:
            self._asked = True
            chosen = self.chosen
            source.submit_with_recording(lambda recording: recorded(recording, chosen), self._series_read)

    def _take_observed(self, names: Sequence[str]) -> None:
        """Of a source whose observables come with its pictures: takes those that came."""
        source: object = self.controller.source
        if isinstance(source, ObservedSource):
            source.observe(names)
            while source.measurements:
                self._measured(source.measurements.popleft())

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
        self.choose(())  # otherwise it would fail ten times a second
        self.controller.failed(error)

    def _new_run(self) -> TimeSeries:
        source = self.controller.source
        return TimeSeries(capacity_for(source.universes if source is not None else 1))

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()


def measured(motor: Aetheria_Motor, names: Sequence[str]) -> Measurement | Exception:
    """The observables of a motor's present cells; without names, only its step. Returns errors instead of raising them."""
    began = time.thread_time()  # of this thread: waiting for the end of a step does not count
    try:
        if not names:
            return Measurement(motor.step_count, time.time(), {})
        frame = motor.look(motor.request(names))
        values = {name: np.asarray(frame[name], np.float64) for name in names}
        return Measurement(frame.step, frame.wall_time, values, time.thread_time() - began)
    except Exception as error:  # noqa: BLE001 - the caller reports it
        return error


def recorded(recording: Recording, names: Sequence[str]) -> tuple[int, TimeSeries] | Exception:
    """Number of frames of a recording, and its observables. Returns errors instead of raising them."""
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
    except Exception as error:  # noqa: BLE001 - the caller reports it
        return error


def _quantity(name: str, known: Mapping[str, Field]) -> Quantity:
    # A recording may hold observables that this version does not know.
    field = known.get(name) or known.get(re.sub(r"_\d+$", "", name))
    return Quantity(name, "" if field is None else field.meaning, "1" if field is None else field.unit)
