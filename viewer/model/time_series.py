"""Observables over time in a bounded table, and their export as CSV. No Qt."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aetheria.files.atomic import atomic_write

CAPACITY = 4096
_MOST_NUMBERS = 1 << 20  # values of one quantity, over all universes


@dataclass(frozen=True)
class Quantity:
    """A quantity to plot: its name, meaning and unit."""

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Measurement:
    """Observables at one step.

    Attributes:
        step: steps done.
        time: seconds since the epoch.
        values: by name, one number per universe `(B,)`.
        took: computing time in seconds.
    """

    step: int
    time: float
    values: Mapping[str, NDArray[np.float64]]
    took: float = 0.0


class TimeSeries:
    """Measurements at rising steps, at most `capacity` of them: when the table is full, every other row is removed.

    The first and the newest rows are always kept; the rest is evenly spaced.

    Attributes:
        interval: one in so many measurements is kept.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        assert capacity >= 4
        assert capacity % 2 == 0
        self.capacity = capacity
        self.interval = 1
        self._count = 0
        self._rows = 0
        self._steps = np.empty(capacity, np.int64)
        self._times = np.empty(capacity)
        self._values: dict[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return self._rows

    @classmethod
    def from_columns(
        cls,
        steps: NDArray[np.int64],
        times: NDArray[np.float64],
        values: Mapping[str, NDArray[np.float64]],
        capacity: int = CAPACITY,
    ) -> Self:
        """Time series of a whole recording: steps and times `(frames,)`, values `(frames, B)`."""
        run = cls(capacity)
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), capacity)).round().astype(np.int64))
        run._rows = len(kept)
        run._steps, run._times = steps[kept], times[kept]
        run._values = {name: np.where(np.isfinite(column[kept]), column[kept], np.nan) for name, column in values.items()}
        return run

    @property
    def steps(self) -> NDArray[np.int64]:
        """Rising step numbers, `(rows,)`."""
        return self._steps[: self._rows]

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since the epoch, `(rows,)`."""
        return self._times[: self._rows]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._values)

    def values(self, name: str) -> NDArray[np.float64]:
        """`(rows, B)`; NaN where a value was not measured, or was not finite."""
        return self._values[name][: self._rows]

    def append(self, sample: Measurement) -> None:
        """Adds a measurement at a later step, or more values at the newest step."""
        if self._rows and sample.step == self._steps[self._rows - 1]:
            self._write(sample)
            return
        assert not self._rows or sample.step > self._steps[self._rows - 1]
        if self._rows and (self._count - 1) % self.interval:
            self._rows -= 1  # the newest row is kept until the next one comes
        elif self._rows == self.capacity:
            self._thin()
        self._count += 1
        self._rows += 1
        for column in self._values.values():
            column[self._rows - 1] = np.nan
        self._write(sample)

    def copy(self) -> "TimeSeries":
        """An independent copy of the present rows."""
        copy = TimeSeries(self.capacity)
        copy.interval, copy._count, copy._rows = self.interval, self._count, self._rows
        copy._steps, copy._times = self._steps.copy(), self._times.copy()
        copy._values = {name: column.copy() for name, column in self._values.items()}
        return copy

    def _write(self, sample: Measurement) -> None:
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


def capacity_for(universes: int) -> int:
    """Number of measurements to keep for so many universes."""
    return max(64, min(CAPACITY, _MOST_NUMBERS // universes // 2 * 2))


def write_csv(path: Path, runs: Sequence[TimeSeries], quantities: Sequence[Quantity]) -> None:
    """Writes all measurements as a CSV table, one row per measurement; the file is complete or absent.

    Columns: run (counted from 1), step, time (seconds since 1970), then one column per quantity, or one per universe where
    there are several. Values that were not measured are empty.
    """
    present = [q for q in quantities if any(q.name in run.names for run in runs)]
    universes = {q.name: max(run.values(q.name).shape[1] for run in runs if q.name in run.names) for q in present}
    columns = [(q.name, universe) for q in present for universe in range(universes[q.name])]
    units = {q.name: q.unit for q in present}
    heads = [f"{name}{f'_{universe}' if universes[name] > 1 else ''} [{units[name]}]" for name, universe in columns]
    with atomic_write(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["run", "step", "time [s]", *heads])
        for number, run in enumerate(runs, 1):
            values = [run.values(n)[:, u] if n in run.names else np.full(len(run), np.nan) for n, u in columns]
            for step, moment, *numbers in zip(run.steps, run.times, *values, strict=True):
                table.writerow([number, int(step), f"{moment:.3f}", *("" if np.isnan(x) else repr(float(x)) for x in numbers)])
