"""The table of a sweep: rows appended to `results.jsonl`, each on the disk before the next, and read back as a table."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, FileUnreadableError, nearest
from aetheria.core.extras import from_source
from aetheria.core.notebook import html_rows
from aetheria.core.printable import counted
from aetheria.files.atomic import atomic_write, sync, telling_full_disk
from aetheria.files.untrusted import check_input
from aetheria.sweep.task import Row

if TYPE_CHECKING:
    import pandas
    import xarray

ROWS = "results.jsonl"
_SHOWN = 20  # rows in a notebook
STATISTICS = ("last", "mean", "min", "max")
_FIRST = ("index", "status", "seed")
_LAST = ("steps", "seconds", "plan", "aetheria", "torch", "device", "threads", "precision", "deterministic", "tries", "cached")
_FILES = ("recording", "picture", "universe", "error", "key")


class ResultFile:
    """The file of rows while a sweep runs.

    A process that is killed leaves whole rows, and at most one torn line at the end, which the next one cuts off.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError, DiskFullError: the file cannot be written."""
        self.path = path
        with telling_full_disk(path):
            new = not path.exists()
            self._file = path.open("ab")
            whole = path.read_bytes().rpartition(b"\n")
            self._file.truncate(len(whole[0]) + len(whole[1]))
            if new:
                sync(path.parent)

    def append(self, row: Row) -> None:
        """Adds a row; it is on the disk when this returns."""
        with telling_full_disk(self.path):
            self._file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, without a torn line at its end.

    Raises:
        FileUnreadableError: a line in the file is no row.
    """
    check_input(path, f"the {ROWS} of a sweep")
    *lines, _torn = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if not isinstance(row["parameters"], dict) or not isinstance(row["key"], str) or not isinstance(row["index"], int):
                raise TypeError("not a row of a sweep")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FileUnreadableError(f"{path}: line {number} is not the result of a point; expected one JSON object") from None
        rows.append(row)
    return rows


def value_of(row: Row, name: str) -> float | None:
    """A number in a row: a parameter, or a column of an observable; its name alone, as in "mass", is the last value."""
    flat = {**row["parameters"], **_observed(row)}
    value = flat.get(name, flat.get(f"{name}_last"))
    return float(value) if isinstance(value, int | float) else None


def load(path: str | Path) -> "ResultTable":
    """The results of a sweep.

    Args:
        path: the folder of the sweep, or its `results.jsonl`.

    Raises:
        FileUnreadableError: there is no such file, or it holds something else.
    """
    path = Path(path)
    file = path / ROWS if path.is_dir() else path
    newest: dict[str, Row] = {row["key"]: row for row in read_rows(file)}  # a point that was run again counts once
    return ResultTable(sorted(newest.values(), key=lambda row: row["index"]), file.parent)


class ResultTable(Sequence[Row]):
    """Rows of a sweep, in the order of its points.

    Attributes:
        folder: that recordings and pictures are relative to.
    """

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self._rows = list(rows)
        self.folder = folder

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __repr__(self) -> str:
        return f"<ResultTable: {counted(len(self), 'point')}, {len(self) - self.done} of them not done>"

    def _repr_html_(self) -> str:
        columns = [
            "index",
            "status",
            *self.parameters,
            "seed",
            *(name for name in self.observed if not name.endswith(("_mean", "_min", "_max"))),
        ]
        rows = [[_shown(record[name]) for name in columns] for record in islice(self.records(), _SHOWN)]
        return html_rows(repr(self).strip("<>"), columns, rows, max(0, len(self) - _SHOWN))

    @property
    def done(self) -> int:
        """Number of points that came to their end."""
        return sum(row["status"] == "done" for row in self)

    @property
    def parameters(self) -> list[str]:
        """The dotted keys that vary."""
        return list(dict.fromkeys(key for row in self for key in row["parameters"]))

    @property
    def observed(self) -> list[str]:
        """Columns of observables, as in "mass_last"."""
        return list(dict.fromkeys(name for row in self for name in _observed(row)))

    @property
    def columns(self) -> list[str]:
        """Names of all columns: index, parameters, observables ("mass_last", "mass_mean" ...), versions, files."""
        held = {name for row in self for name in row}
        last = [name for name in (*_LAST, *_FILES) if name in held]
        return [*_FIRST[:1], *self.parameters, *_FIRST[1:], *self.observed, *last]

    def records(self) -> Iterator[dict[str, Any]]:
        """Each row as a flat mapping from all columns; None where it has no value."""
        names = self.columns
        for row in self:
            flat = {**row, **row["parameters"], **_observed(row)}
            yield {name: flat.get(name) for name in names}

    def column(self, name: str) -> list[Any]:
        """The values of a column; an observable alone, as in "mass", is its last value.

        Raises:
            ConfigError: no such column.
        """
        names = self.columns
        found = next((one for one in (name, f"{name}_last") if one in names), None)
        if found is None:
            raise ConfigError(f"{name}: no such column; {nearest(name, names)}")
        return [record[found] for record in self.records()]

    def recordings(self) -> dict[str, Path]:
        """The recordings that the sweep kept, by the values that vary, as "m 0.15, seed 1"; for `aetheria.plot.contact_sheet`.

        Raises:
            ConfigError: no run has one.
        """
        kept = [row for row in self if row.get("recording")]
        if not kept:
            raise ConfigError("recordings: no run of this sweep has one; set recordings = true")
        seeds = len({row["seed"] for row in self}) > 1
        return {_title(row, seeds): self.folder / row["recording"] for row in kept}

    def grid(self, x: str, y: str, show: str) -> tuple[list[Any], list[Any], NDArray[np.float64]]:
        """A column over two parameters.

        Returns:
            The values along x and along y, and `(len(y), len(x))`, the mean of the rows at each pair; NaN where none is.
        """
        across, down, shown = self.column(x), self.column(y), self.column(show)
        xs, ys = (sorted(set(map(_hashable, values)), key=_order) for values in (across, down))
        total, count = np.zeros((len(ys), len(xs))), np.zeros((len(ys), len(xs)))
        for right, below, value in zip(across, down, shown, strict=True):
            if isinstance(value, int | float):
                place = ys.index(_hashable(below)), xs.index(_hashable(right))
                total[place] += value
                count[place] += 1
        return xs, ys, np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)

    def write_csv(self, path: Path) -> None:
        """Writes the table as CSV."""
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows({name: _text(value) for name, value in record.items()} for record in self.records())

    def write_parquet(self, path: Path) -> None:
        """Writes the table as Parquet. Raises ConfigError where pyarrow is not installed."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ConfigError(f"Parquet needs pyarrow: {from_source('table')}") from error
        columns = {name: [_plain(record[name]) for record in self.records()] for name in self.columns}
        with atomic_write(path) as temporary:
            parquet.write_table(pyarrow.table({name: _typed(values) for name, values in columns.items()}), temporary)

    def to_pandas(self) -> "pandas.DataFrame":
        """The table as a pandas DataFrame. Raises ConfigError where pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise ConfigError(f"to_pandas needs pandas: {from_source('table')}") from error
        return pandas.DataFrame(list(self.records()), columns=self.columns)

    def to_xarray(self) -> "xarray.Dataset":
        """The observables over parameters and seed; NaN where no point is. Raises ConfigError where xarray is not installed."""
        try:
            import xarray
        except ImportError as error:
            raise ConfigError(f"to_xarray needs xarray: {from_source('analysis')}") from error
        axes = {name: self.column(name) for name in [*self.parameters, "seed"]}
        sides = {name: sorted(set(map(_hashable, values)), key=_order) for name, values in axes.items()}
        places = [tuple(sides[name].index(_hashable(values[row])) for name, values in axes.items()) for row in range(len(self))]
        arrays = {}
        for name in self.observed:
            array = np.full([len(side) for side in sides.values()], np.nan)
            for place, value in zip(places, self.column(name), strict=True):
                array[place] = np.nan if value is None else value
            arrays[name] = (list(sides), array)
        return xarray.Dataset(arrays, coords=sides)


def _observed(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in (row.get("observables") or {}).items():
        if isinstance(value, Mapping):
            found.update({f"{name}_{statistic}": value.get(statistic) for statistic in STATISTICS})
        else:
            found[name] = value
    return found


def _title(row: Row, seeds: bool) -> str:
    values = [f"{key.rpartition('.')[2]} {_short(value)}" for key, value in row["parameters"].items()]
    return ", ".join([*values, f"seed {row['seed']}"] if seeds or not values else values)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(_plain(value))


def _hashable(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _order(value: Any) -> tuple[int, float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if number else (1, 0.0, str(value))


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _text(value: Any) -> Any:
    """A cell of a CSV file; a text that a spreadsheet would run as a formula is quoted."""
    value = _plain(value)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _typed(values: list[Any]) -> list[Any]:
    """Values of one type, as a column of Parquet wants them: numbers as floats if one is, texts if one is."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1:
        return values
    change: Any = float if kinds <= {int, float} else str
    return [None if value is None else change(value) for value in values]


def _shown(value: Any) -> str:
    """A value in a notebook."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
