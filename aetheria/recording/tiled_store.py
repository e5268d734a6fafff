"""A Zarr store of frames at full resolution, of which several processes write parts of each frame at the same time.

`RUN.zarr` is a Zarr v3 group: an array for each field `(time, [universe], *grid, [colour])`, "step" and "time" of the frames,
and the axes. Frames are committed by the metadata: the lengths along time, in one file that is replaced as a whole, after all
data is there. Readers such as `xarray.open_zarr` and `zarr.open_group` see committed frames alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aetheria.core.block import Block
from aetheria.core.errors import AetheriaError, ConfigError, RecordingError
from aetheria.core.extras import from_source
from aetheria.files.atomic import atomic_write, sync, telling_full_disk
from aetheria.observe.request import AXIS_NAMES, Request
from aetheria.recording.schema import axes_of, axis_centres, field_attributes

LARGEST_SHARD, LARGEST_CHUNK = 2048, 256  # sides in cells
_SERIES = {"step": np.dtype(np.int64), "time": np.dtype(np.float64)}
_ROWS = 1 << 12  # of a chunk of the series


def zarr_library() -> Any:
    """The package zarr. Raises ConfigError, with what to install, where it is missing."""
    try:
        import zarr
    except ImportError:
        raise ConfigError(f'[record] format: "zarr" needs zarr: {from_source("zarr")}') from None
    return zarr


def divisor_up_to(number: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`."""
    return next(n for n in range(min(number, most), 0, -1) if number % n == 0)


def shard_sides(grid: Sequence[int], corners: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Sides of shards, such that none lies in two tiles.

    Args:
        corners: first cells of all tiles.
    """
    units = (gcd(*(corner[axis] for corner in corners)) or side for axis, side in enumerate(grid))
    return tuple(divisor_up_to(unit, LARGEST_SHARD) for unit in units)


class TiledStore:
    """The store while it is written. Each process writes its parts; one of them creates the store, and commits.

    Attributes:
        path: of the store, a folder.
    """

    def __init__(self, path: Path) -> None:
        """Opens an existing store.

        Raises:
            RecordingError: there is none. ConfigError: zarr is not installed.
        """
        self.path = path
        self._unsynced: set[Path] = set()
        zarr = zarr_library()
        try:
            self._group = zarr.open_group(path, mode="r+", use_consolidated=False)
            self._root: dict[str, Any] = json.loads((path / "zarr.json").read_text())
            self._arrays = {name: self._group[name] for name in self._root["consolidated_metadata"]["metadata"]}
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f"{path}: is no store of frames that can be written; {error}") from error

    @classmethod
    def create(
        cls, path: Path, request: Request, shape: tuple[int, ...], shards: Sequence[int], about: Mapping[str, Any]
    ) -> "TiledStore":
        """Creates a store without frames, in place of one of this name.

        Args:
            request: fields, type and levels.
            shape: (B, C, *grid) of the cells.
            shards: their sides.
            about: attributes of the run.
        """
        zarr, grid, batch = zarr_library(), shape[2:], shape[0]
        names, chunks = AXIS_NAMES[-len(grid) :], [divisor_up_to(side, LARGEST_CHUNK) for side in shards]
        sides = {"universe": (batch, 1, 1), "colour": (3, 3, 3)}
        sides |= dict(zip(names, zip(grid, shards, chunks, strict=True), strict=True))
        with telling_full_disk(path):
            group = zarr.open_group(path, mode="w", zarr_format=3, attributes=_plain(about))
            for field in request.fields:
                axes = axes_of(field, batch, names)
                lengths, shard, chunk = zip(*(sides[axis] for axis in axes), strict=True)
                group.create_array(
                    field.name,
                    shape=(0, *lengths),
                    shards=(1, *shard),
                    chunks=(1, *chunk),
                    dtype=request.dtype,
                    dimension_names=("time", *axes),
                    attributes=_plain(field_attributes(field, request)),
                )
            for name, dtype in _SERIES.items():
                group.create_array(name, shape=(0,), chunks=(_ROWS,), dtype=dtype, dimension_names=("time",))
            for name, side in zip(names, grid, strict=True):
                group.create_array(name, data=axis_centres(side, side), dimension_names=(name,))
            metadata = {name: json.loads((path / name / "zarr.json").read_text()) for name, _ in group.arrays()}
            _write(path, json.loads((path / "zarr.json").read_text()), metadata)
        return cls(path)

    @property
    def attributes(self) -> dict[str, Any]:
        """Of the run."""
        return dict(self._root["attributes"])

    @property
    def frames(self) -> int:
        """Number of committed frames."""
        return int(self._root["consolidated_metadata"]["metadata"]["step"]["shape"][0])

    def shards(self, name: str) -> tuple[int, ...]:
        """Sides of a field's shards along the axes of the grid."""
        array = self._arrays[name]
        named = zip(array.metadata.dimension_names, array.shards, strict=True)
        return tuple(side for axis, side in named if axis in AXIS_NAMES)

    def write(self, name: str, row: int, values: ArrayLike, block: Block | None = None) -> None:
        """Writes a block of a field, or an entry of a series, in a row that is not committed.

        Raises:
            RecordingError: the store cannot be written. DiskFullError: no space is left.
        """
        array = self._arrays[name]
        index: tuple[Any, ...] = (row,)
        if block is not None:
            cells = dict(zip(AXIS_NAMES[-len(block.size) :], block.index[1:], strict=True))
            index = (row, *(cells.get(axis, slice(None)) for axis in array.metadata.dimension_names[1:]))
        try:
            with telling_full_disk(self.path):
                _with_rows(array, row + 1)[index] = values
        except AetheriaError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise RecordingError(f"{self.path}: {name} cannot be written; {error}") from error
        self._unsynced.update(self._files(name, array, index))

    def sync(self) -> None:
        """Waits until all that this process wrote since the last time is on the disk.

        Raises:
            RecordingError: it cannot be written. DiskFullError: no space is left.
        """
        written = [path for path in self._unsynced if path.exists()]  # a shard of zeros has no file
        folders = {folder for path in written for folder in path.parents if folder.is_relative_to(self.path)}
        try:
            with telling_full_disk(self.path):
                for path in (*written, *sorted(folders, reverse=True), *([self.path.parent] if written else [])):
                    sync(path)
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be written to the disk; {error}") from error
        self._unsynced.clear()

    def _files(self, name: str, array: Any, index: tuple[Any, ...]) -> Iterator[Path]:
        """The files of the shards, or chunks, in which a part of an array lies."""
        sides, shape = array.shards or array.chunks, (index[0] + 1, *array.shape[1:])
        places = (*index, *[slice(None)] * (len(shape) - len(index)))
        axes = [slice(place, place + 1) if isinstance(place, int) else place for place in places]
        ends = [axis.indices(length)[:2] for axis, length in zip(axes, shape, strict=True)]
        numbers = [range(first // side, -(-end // side)) for (first, end), side in zip(ends, sides, strict=True)]
        for place in product(*numbers):
            yield self.path.joinpath(name, "c", *map(str, place))

    def commit(self, frames: int) -> None:
        """From now on readers see so many frames."""
        metadata = self._root["consolidated_metadata"]["metadata"]
        moving = [name for name, one in metadata.items() if one["dimension_names"][:1] == ["time"]]
        with telling_full_disk(self.path):
            for name in moving:
                metadata[name]["shape"][0] = frames
            fewer = frames < self._group["step"].shape[0]
            if fewer:
                _write(self.path, self._root, metadata)
            for name in moving:  # for readers of single arrays
                _write_json(self.path / name / "zarr.json", metadata[name])
            if not fewer:
                _write(self.path, self._root, metadata)
        self._unsynced.update(self.path.joinpath(*parts, "zarr.json") for parts in ((), *((name,) for name in moving)))


def _with_rows(array: Any, rows: int) -> Any:
    """The array as it will be when so many rows are committed; its file is left alone."""
    inner = array._async_array
    metadata = replace(inner.metadata, shape=(max(rows, array.shape[0]), *array.shape[1:]))
    return type(array)(type(inner)(metadata=metadata, store_path=inner.store_path, config=inner.config))


def _write(path: Path, root: dict[str, Any], metadata: dict[str, Any]) -> None:
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": metadata}
    _write_json(path / "zarr.json", root)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
