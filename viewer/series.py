"""Numbers over time: what the plots show, and what goes into a table. No Qt."""

import csv
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.fields import FIELDS
from aetheria.files import replacing
from aetheria.motor import Aetheria_Motor
from viewer.feature import Feature, Host
from viewer.live import LiveSource
from viewer.model import Message
from viewer.source import Rates, Source

CAPACITY = 4096
RATE = "steps_per_s"
_RUNS = 4  # stretches that are kept: the present one and those before the last restarts
_POLL_S = 0.1
_SHARE = 0.2  # of the time that may go into computing numbers that take long


@dataclass(frozen=True)
class Quantity:
    """Something that can be plotted: its name, its meaning in words, and its unit."""

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Sample:
    """Numbers of one moment.

    Attributes:
        step: steps done.
        time: seconds since the epoch.
        values: by name, one number per universe `(B,)`.
        took: seconds that it took to find them.
    """

    step: int
    time: float
    values: Mapping[str, NDArray[np.float64]]
    took: float = 0.0


class Run:
    """A stretch of rising steps, as at most `capacity` samples: when they are full, every other one goes.

    The first and the newest are always kept; between them samples lie evenly.

    Attributes:
        interval: every how manieth sample is kept.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        assert capacity >= 4
        assert capacity % 2 == 0
        self.capacity = capacity
        self.interval = 1
        self._offered = 0
        self._rows = 0
        self._steps = np.empty(capacity, np.int64)
        self._times = np.empty(capacity)
        self._values: dict[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return self._rows

    @property
    def steps(self) -> NDArray[np.int64]:
        """Rising, `(rows,)`."""
        return self._steps[: self._rows]

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since the epoch, `(rows,)`."""
        return self._times[: self._rows]

    @property
    def names(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(self._values)

    def values(self, name: str) -> NDArray[np.float64]:
        """`(rows, B)`; NaN where a number was not asked for, or was none."""
        return self._values[name][: self._rows]

    def add(self, sample: Sample) -> None:
        """Takes a sample of a later step, or more numbers of the newest."""
        if self._rows and sample.step == self._steps[self._rows - 1]:
            self._write(sample)
            return
        assert not self._rows or sample.step > self._steps[self._rows - 1]
        if self._rows and (self._offered - 1) % self.interval:
            self._rows -= 1  # the newest was only there for being the newest
        elif self._rows == self.capacity:
            self._thin()
        self._offered += 1
        self._rows += 1
        for column in self._values.values():
            column[self._rows - 1] = np.nan
        self._write(sample)

    def copy(self) -> "Run":
        """What there is now."""
        copy = Run(self.capacity)
        copy.interval, copy._offered, copy._rows = self.interval, self._offered, self._rows
        copy._steps, copy._times = self._steps.copy(), self._times.copy()
        copy._values = {name: column.copy() for name, column in self._values.items()}
        return copy

    def _write(self, sample: Sample) -> None:
        row = self._rows - 1
        self._steps[row], self._times[row] = sample.step, sample.time
        for name, numbers in sample.values.items():
            if name not in self._values:
                self._values[name] = np.full((self.capacity, len(numbers)), np.nan)
            self._values[name][row] = np.where(np.isfinite(numbers), numbers, np.nan)

    def _thin(self) -> None:
        kept = self._rows // 2
        for column in (self._steps, self._times, *self._values.values()):
            column[:kept] = column[: self._rows : 2]
        self._rows = kept
        self.interval *= 2


def evenly(rows: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the indices of so many rows, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64))


class Series(Feature):
    """Collects what is chosen while somebody looks at it.

    Attributes:
        offered: what the open source can tell.
        chosen: names of what is plotted, in the order they are offered.
        shown: whether the plots are in sight; nothing is computed for plots that are not.
        runs: what was collected; the present stretch is the last.
        listeners: called after any of these changed.
    """

    def __init__(self, controller: Host) -> None:
        super().__init__(controller)
        self.offered: tuple[Quantity, ...] = ()
        self.chosen: tuple[str, ...] = ()
        self.shown = False
        self.runs: deque[Run] = deque(maxlen=_RUNS)
        self.listeners: list[Callable[[], None]] = []
        self._wished: tuple[str, ...] = ()
        self._rates = Rates()
        self._forget()

    def _forget(self) -> None:
        self._asked = False
        self._step_seen = -1
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
        self.runs.clear()
        self._forget()
        self._changed()

    def save_csv(self, path: Path) -> None:
        """Writes what was collected as a table, in the source's own thread; see `write_csv`."""
        source = self.controller.source
        if source is not None:
            tables = [run.copy() for run in self.runs]
            quantities, view = self.offered, self.controller.view
            saved = Message("note", f"Saved {path.name}.")
            source.do(lambda: write_csv(path, tables, quantities), lambda _: view.show_message(saved))

    # -- what happens --------------------------------------------------------------------------------------------

    def opened(self, source: Source) -> None:
        named = [Quantity(name, FIELDS[name].meaning, FIELDS[name].unit) for name in source.observables]
        self.offered = (*named, Quantity(RATE, "steps taken in a second", "steps/s"))
        self._rates = Rates()
        self.runs.clear()
        self.choose(self._wished or [self.offered[0].name])

    def closed(self) -> None:
        self.offered, self.chosen = (), ()
        self.clear()

    def restarted(self) -> None:
        self._step_seen = -1
        if self.runs and len(self.runs[-1]):
            self.runs.append(Run())

    def tick(self) -> None:
        source = self.controller.source
        now = time.monotonic()
        if not (self.shown and self.controller.visible and self.chosen) or self._asked or now < self._due:
            return
        if isinstance(source, LiveSource) and source.motor.step_count != self._step_seen:
            self._asked = True
            names = [name for name in self.chosen if name in source.observables]
            source.ask(lambda motor: measured(motor, names), self._take)

    def _take(self, answer: Sample | Exception) -> None:
        self._asked = False
        if isinstance(answer, Exception):
            self.choose(())  # or it would fail ten times a second
            self.controller.failed(answer)
            return
        self._due = time.monotonic() + max(_POLL_S - answer.took, answer.took / _SHARE)
        self._step_seen = answer.step
        rate = np.full(self._universes(), self._rates(answer.step))
        values = {**answer.values, RATE: rate} if RATE in self.chosen else answer.values
        if not self.runs or (len(self.runs[-1]) and answer.step < self.runs[-1].steps[-1]):
            self.runs.append(Run())
        self.runs[-1].add(Sample(answer.step, answer.time, values))
        self._changed()

    def _universes(self) -> int:
        return self.controller.source.universes if self.controller.source is not None else 1

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()


def measured(motor: Aetheria_Motor, names: Sequence[str]) -> Sample | Exception:
    """The observables of a motor's present cells; with no names, only its step. What goes wrong is the answer."""
    began = time.perf_counter()
    try:
        if not names:
            return Sample(motor.step_count, time.time(), {})
        frame = motor.look(motor.request(names))
        values = {name: np.asarray(frame[name], np.float64) for name in names}
        return Sample(frame.step, frame.wall_time, values, time.perf_counter() - began)
    except Exception as error:  # noqa: BLE001 - the caller tells
        return error


def write_csv(path: Path, runs: Sequence[Run], quantities: Sequence[Quantity]) -> None:
    """A table of all that was collected: a row a sample, whole or not at all.

    Its columns: run (counted from 1), step, time (seconds since 1970), and a column a quantity, or one for each universe where
    there are several. A number that was not asked for is left empty.
    """
    present = [q for q in quantities if any(q.name in run.names for run in runs)]
    columns = [
        (q.name, universe)
        for q in present
        for universe in range(max(run.values(q.name).shape[1] for run in runs if q.name in run.names))
    ]
    units = {q.name: q.unit for q in present}
    several = any(universe for _, universe in columns)
    heads = [f"{name}{f'_{universe}' if several else ''} [{units[name]}]" for name, universe in columns]
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["run", "step", "time [s]", *heads])
        for number, run in enumerate(runs, 1):
            values = [run.values(n)[:, u] if n in run.names else np.full(len(run), np.nan) for n, u in columns]
            for step, moment, *numbers in zip(run.steps, run.times, *values, strict=True):
                table.writerow([number, int(step), f"{moment:.3f}", *("" if np.isnan(x) else repr(float(x)) for x in numbers)])
