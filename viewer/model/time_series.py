"""Numbers that were collected, as a bounded table. No Qt."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aetheria.files.atomic import atomic_write

CAPACITY = 4096
_MOST_NUMBERS = 1 << 20  # of one quantity, over all universes


@dataclass(frozen=True)
class Quantity:
    """Something that can be plotted: its name, its meaning in words, and its unit."""

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Measurement:
    """Numbers of one moment.

    Attributes:
        step: steps done.
        time: seconds since the epoch.
        values: by name, one number per universe `(B,)`.
        took: seconds of computing that it took to find them.
    """

    step: int
    time: float
    values: Mapping[str, NDArray[np.float64]]
    took: float = 0.0


class TimeSeries:
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
        """Of a whole recording: steps and times `(frames,)`, values `(frames, B)`."""
        run = cls(capacity)
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), capacity)).round().astype(np.int64))
        run._rows = len(kept)
        run._steps, run._times = steps[kept], times[kept]
        run._values = {name: np.where(np.isfinite(column[kept]), column[kept], np.nan) for name, column in values.items()}
        return run

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

    def append(self, sample: Measurement) -> None:
        """Takes a sample of a later step, or more numbers of the newest."""
        if self._rows and sample.step == self._steps[self._rows - 1]:
            self._write(sample)
            return
        assert not self._rows or sample.step > self._steps[self._rows - 1]
        if self._rows and (self._count - 1) % self.interval:
            self._rows -= 1  # the newest was only there for being the newest
        elif self._rows == self.capacity:
            self._thin()
        self._count += 1
        self._rows += 1
        for column in self._values.values():
            column[self._rows - 1] = np.nan
        self._write(sample)

    def copy(self) -> "TimeSeries":
        """What there is now."""
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
    """How many samples are kept of so many universes."""
    return max(64, min(CAPACITY, _MOST_NUMBERS // universes // 2 * 2))


def write_csv(path: Path, runs: Sequence[TimeSeries], quantities: Sequence[Quantity]) -> None:
    """A table of all that was collected: a row a sample, whole or not at all.

    Its columns: run (counted from 1), step, time (seconds since 1970), and a column a quantity, or one for each universe where
    there are several. A number that was not asked for is left empty.
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
