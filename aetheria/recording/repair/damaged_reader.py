"""Reads a damaged recording row by row; each row is read and checked by itself."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from aetheria.core.errors import RecordingError
from aetheria.observe.request import AXIS_NAMES, Cut
from aetheria.recording import checksums
from aetheria.recording.compress import LZ4, ZSTANDARD, filters_of, read_row
from aetheria.recording.frame_index import SERIES
from aetheria.recording.header import NOT_FIELDS, READ_ERRORS, checksum_columns, recorded_slice
from aetheria.recording.superblock import read_superblock
from aetheria.recording.validate import TEXTS, check_attributes, check_plain_read, check_read, check_series

_STATUSES = ("done", "interrupted", "diverged", "disk full", "failed")
_PIECE = 1 << 14  # bytes of edits read at once: a chunk


class RowError(ValueError):
    """Damage to a row that leaves its step uncertain."""


class DamagedReader:
    """The rows and edit lines of a damaged recording.

    Attributes:
        path: of the file.
        attributes: of the file.
        fields, observables: names of the recorded fields.
        grid: cells along each axis of the run's grid.
        slice: the axes that were cut away from the fields when they were recorded.
        counted: committed frames by the file's own count.
        rows: that all datasets have; without checksums, counted rows only.
        status: how the run ended.
        problems: found in the layout, a line each.
    """

    def __init__(self, file: h5py.File, path: Path, damaged: Mapping[tuple[str, str], str] | None = None) -> None:
        """
        Args:
            file: open for reading.
            path: of the file.
            damaged: faults of attributes that must not be read, by the names of dataset ("" for the file) and attribute.

        Raises:
            RecordingError: the layout is too damaged to find any frame.
        """
        self.path, self._file = path, file
        self._damaged = damaged or {}
        self.problems = [
            f"attribute {name}{of and f' of {of}'} cannot be read; {fault}" for (of, name), fault in self._damaged.items()
        ]
        try:
            self._read_layout(file)
        except READ_ERRORS as error:
            raise RecordingError(f"{path}: nothing can be saved; {error}") from error

    def _read_layout(self, file: h5py.File) -> None:
        self.attributes = self._read_attributes(file)
        check_attributes(self.attributes)
        self.batch = int(self.attributes["universes"])
        self._sums = file.get("log/checksums")
        if self._sums is None and checksums.LAYOUT in self.attributes:
            raise ValueError("its checksums cannot be read, so no frame is known to be right")
        self._data: dict[str, h5py.Dataset] = {name: file[name] for name in file if name != "log"}
        check_series(self._data)
        names = [name for name in self._data if name not in NOT_FIELDS]
        self.columns: dict[str, slice] = {}
        if self._sums is not None:
            self._check_layout(file)
            self.columns = self._read_columns(names, self._sums)
            names = list(self.columns)
        self.observables = tuple(name for name in names if self._data[name].ndim == (1 if self.batch == 1 else 2))
        self.fields = tuple(name for name in names if name not in self.observables)
        self._check_types(names)
        self.grid: tuple[int, ...] = tuple(map(int, self.attributes["grid"]))
        self.slice = self._read_slice() if self.fields else {}
        self._count()

    def _read_columns(self, names: list[str], sums: h5py.Dataset) -> dict[str, slice]:
        """The columns of each field's checksums; those of fields in the order in which they were made, if that text is lost."""
        with suppress(*READ_ERRORS):
            if "columns" not in self.unreadable("log/checksums") and (found := checksum_columns(sums)).keys() == {*names}:
                return found
        self.problems.append("the fields of the checksums cannot be read")
        columns, first = {}, 0
        for name in sorted(names, key=lambda name: h5py.h5o.get_info(self._data[name].id).addr):
            observable = self._data[name].ndim == (1 if self.batch == 1 else 2)
            columns[name] = slice(first, first := first + (1 if observable else self.batch))
        if first != sums.shape[1] - 1:
            raise ValueError(f"it holds {', '.join(names)}, but {sums.shape[1] - 1} checksums of each frame")
        return columns

    def _read_attributes(self, file: h5py.File) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in set(file.attrs) - self.unreadable(""):
            try:
                found[name] = file.attrs[name]
            except READ_ERRORS as error:
                self.problems.append(f"attribute {name} cannot be read; {error}")
        lost = {name: self._codec(file) if name == "codec" else "" for name in TEXTS if name not in found}
        return lost | found

    def unreadable(self, dataset: str) -> set[str]:
        """The names of the attributes of a dataset, or of the file (""), that must not be read."""
        return {name for of, name in self._damaged if of == dataset}

    @staticmethod
    def _codec(file: h5py.File) -> str:
        kinds = {code for data in file.values() if isinstance(data, h5py.Dataset) and data.chunks for code in filters_of(data)}
        return "fast" if LZ4 in kinds else "compact" if ZSTANDARD in kinds else "gzip"

    def _check_layout(self, file: h5py.File) -> None:
        right = False
        with suppress(*READ_ERRORS):
            right = not self._damaged and checksums.of_layout(file) == self.attributes.get(checksums.LAYOUT)
        if not right:
            self.problems.append(
                "its attributes or axes were changed after they were written; check them before you trust them"
            )

    def _read_slice(self) -> dict[str, Cut]:
        sides = dict(zip(AXIS_NAMES[-len(self.grid) :], self.grid, strict=True))
        for name in self.fields:  # all have the same
            if "slice" in self.unreadable(name):
                continue
            with suppress(*READ_ERRORS):
                return recorded_slice(self._data[name], sides)
        raise ValueError("the slice of its fields cannot be read")

    def _check_types(self, names: list[str]) -> None:
        # With a damaged type the same bytes are other numbers, and their checksums still match.
        for name in names:
            wanted = ("<f8",) if name in self.observables else ("<f4", "<f2", "|u1")
            if self._data[name].dtype.str not in wanted:
                raise ValueError(f"{name} is of type {self._data[name].dtype}; expected {' or '.join(wanted)}")

    def _count(self) -> None:
        grows = [self._data[name] for name in (*SERIES, *self.columns, *self.fields, *self.observables) if name in self._data]
        there = min(len(data) for data in grows + ([self._sums] if self._sums is not None else []))
        for data in grows:
            check_read(data, min(1, there), self.path)
        for data in (
            *(self._data[name] for name in SERIES if name in self._data),
            *([] if self._sums is None else [self._sums]),
        ):
            check_plain_read(data, min(1, there), self.path)
        counted = int(self._data["frames"][()])
        found = read_superblock(self.path)
        least = 0 if found is None or found.writing else there - 1  # a writer that ended normally leaves at most one more row
        if not least <= counted <= max(map(len, grows)):
            self.problems.append(f"{counted:,} frames are counted, {there:,} are there")
            counted = there
        self.counted = counted
        self.rows = there if self._sums is not None else min(counted, there)
        status = bytes(self._data["status"][()]).decode(errors="replace")
        self.status = status if status in _STATUSES else "interrupted"

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset as it is."""
        return self._data[name]

    def series(self, row: int) -> dict[str, Any]:
        """The numbers of a row, unchecked; `frame` checks them."""
        return {name: self._data[name][row] if name in self._data else 0 for name in SERIES}

    def frame(self, row: int, series: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Fields and observables of a row, as stored in the file.

        Raises:
            ValueError, OSError, RuntimeError: they cannot be read, or a checksum of them or of `series` does not match.
        """
        sums = None
        if self._sums is not None:
            sums = self._sums[row]
            if checksums.of_row(row, *row_numbers(series), sums[:-1].astype("<u4").tobytes()) != sums[-1]:
                raise RowError("the checksum of its row does not match")
        found = {}
        for name in (*self.fields, *self.observables):
            values = read_row(self._data[name], row)
            if sums is not None and checksums.of_field(values, self.batch) != list(sums[self.columns[name]]):
                raise ValueError(f"the checksum of {name} does not match")
            found[name] = values
        return found

    @property
    def edge_step(self) -> int:
        """Steps by which live cells were at an edge of the grid; -1 where the file does not say so."""
        with suppress(*READ_ERRORS):
            data = self._file["log/edge_step"]
            return max(-1, int(data[()])) if not data.ndim and data.dtype.kind == "i" else -1
        return -1

    def edit_lines(self) -> tuple[bytes, int]:
        """The readable part of the edit log from its beginning, and the number of committed bytes."""
        if "log" not in self._file:
            return b"", 0
        data, content = self._file["log/edits"], b""
        counted = int(self._file["log/edit_bytes"][()])
        end = len(data) if self._sums is not None else min(counted, len(data))
        check_plain_read(data, end, self.path)
        with suppress(*READ_ERRORS):
            for first in range(0, end, _PIECE):
                content += data[first : min(first + _PIECE, end)].tobytes()
        return content, counted if 0 <= counted <= len(data) else len(content)

    @property
    def checked(self) -> bool:
        """Whether the recording has checksums."""
        return self._sums is not None


def row_numbers(series: dict[str, Any]) -> tuple[float, int, float, int]:
    """The numbers of a row in the order and types of `checksums.of_row`."""
    return float(series["time"]), int(series["step"]), float(series["wall_time"]), int(series["edits_before"])
