"""Validates the claims of an untrusted recording: its attributes, the forms of its datasets, and the size of what is read.

`aetheria.recording.hdf5` has checked its structure by then.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import DamagedRecordingError
from aetheria.core.memory_limits import check_room
from aetheria.recording.compress import MAX_RATIO, filters_of

# Attributes that every recording has, in all versions of the schema.
TEXTS = (
    "config",
    "title",
    "law",
    "codec",
    "created",
    "device",
    "device_name",
    "precision",
    "plan",
    "weights_sha256",
    "aetheria_version",
)
STATUSES = ("running", "done", "interrupted", "diverged", "disk full", "failed")
_WHOLE = ("universes", "channels", "every", "seed", "first_step")
# HDF5 has a record of half a KiB for each chunk that it reads.
_MOST_PIECES, _LEAST_PIECE = 64, 512
_SMALL = 64 * 2**20  # bytes of a read for which free memory is not checked


def check_read(data: h5py.Dataset, rows: int, path: Path) -> None:
    """Checks, before `rows` rows of a dataset are read, that the file can hold them and memory has room for them.

    Raises:
        RecordingError: the file is too small for the rows that it claims.
        StateError: over 80 % of the free memory.
    """
    ratio = math.prod(MAX_RATIO[code] for code in filters_of(data))
    nbytes = rows * math.prod(data.shape[1:]) * data.dtype.itemsize
    holds = _size(data, path) * ratio
    if rows < 0 or nbytes > holds:
        name = data.name.removeprefix("/")
        raise DamagedRecordingError(
            path, f"is damaged; {rows:,} rows of {name} are {nbytes:,} bytes, and it can hold {holds:,}"
        )
    if data.chunks and rows * _pieces(data) / data.chunks[0] > _MOST_PIECES + nbytes // _LEAST_PIECE:
        raise DamagedRecordingError(path, f"is damaged; {data.name.removeprefix('/')} is stored in pieces of {data.chunks}")
    if nbytes > _SMALL:
        check_room(nbytes, f"{path}: reading {data.name.removeprefix('/')}", "read a part of it (recording.dataset)")


def read_rows(data: h5py.Dataset, first: int, last: int, path: Path) -> NDArray[Any]:
    """Reads rows of a dataset that is not compressed; raises as `check_plain_read` does."""
    check_plain_read(data, last - first, path)
    return np.asarray(data[first:last])


def check_plain_read(data: h5py.Dataset, rows: int, path: Path) -> None:
    """As `check_read`, for a dataset that no recorder compresses: HDF5 would inflate a chunk to any size.

    Raises:
        RecordingError: it is compressed, or the file is too small for the rows.
    """
    if filters_of(data):
        raise DamagedRecordingError(path, f"is damaged; {data.name.removeprefix('/')} is compressed, which no recording's is")
    check_read(data, rows, path)


def _pieces(data: h5py.Dataset) -> int:
    """Number of chunks of a row, the part of chunks that are along the first axis not counted."""
    return math.prod(-(-length // size) for length, size in zip(data.shape[1:], data.chunks[1:], strict=True))


def _size(data: h5py.Dataset, path: Path) -> int:
    try:
        return path.stat().st_size  # HDF5 does not know the present size of a growing file
    except FileNotFoundError:  # deleted while it is open; it stays readable
        return data.file.id.get_filesize()


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Raises ValueError if attributes of a recording are missing or of another type than a recorder writes."""
    for name in TEXTS:
        if not isinstance(attributes.get(name), str):
            raise ValueError(f"attribute {name} is {repr(attributes.get(name))[:60]}; expected a text")
    for name in _WHOLE:
        value = np.asarray(attributes.get(name, ""))
        if value.ndim or value.dtype.kind not in "iu" or value < 0:
            raise ValueError(f"attribute {name} is {repr(attributes.get(name))[:60]}; expected a whole number")
    grid = np.asarray(attributes.get("grid", ""))
    if (
        grid.ndim != 1
        or not 1 <= len(grid) <= 3
        or grid.dtype.kind not in "iu"
        or grid.min() < 1
        or attributes["universes"] < 1
    ):
        raise ValueError("attribute grid or universes is of another form; expected 1 to 3 sides, and 1 or more")


def check_series(data: Mapping[str, h5py.Dataset]) -> None:
    """Raises ValueError if one of the datasets that every recording has is missing or of another form."""
    for name, axes, kinds in (
        ("frames", 0, "i"),
        ("status", 0, "S"),
        *((name, 1, "if") for name in ("time", "step", "wall_time")),
    ):
        if name not in data or data[name].ndim != axes or data[name].dtype.kind not in kinds:
            raise ValueError(f"{name} is missing or of another form")


def checked_status(stored: bytes) -> str:
    """The status of a recording. Raises ValueError for a text that no recorder writes."""
    status = stored.decode(errors="replace")
    if status not in STATUSES:
        raise ValueError(f"it is {status!r}; expected one of {', '.join(STATUSES)}")
    return status
