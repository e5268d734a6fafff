"""Schema of a recording: names, axes, chunks, filters and attributes of its HDF5 file.

    /frames            ()                   number of committed frames; readers trust only the rows it covers
    /status            ()                   "running", then how the run ended
    /time              (time)               in the law's own time units; the scale of the first axis
    /step, /wall_time  (time)               steps done; seconds since 1970
    /edits_before      (time)               number of edits made before the frame
    /<field>           (time, [universe,] [z, y,] x [, colour])   the axes z, y, x that the grid has and no slice cuts away
    /<observable>      (time [, universe])
    /universe /z /y /x /colour              scales of the other axes
    /log/edits         (byte)               edits: a line of JSON each (see `aetheria.motor.edits`), a tab, and the CRC-32
                                            of all JSON so far in 8 hexadecimal digits
    /log/edit_bytes    ()                   committed bytes of it; readers trust only these
    /log/edge_step     ()                   steps by which live cells were found at an edge of the grid, -1 if they never were
    /log/checksums     (row, checksum)      CRC-32 of each field of the frame, of each universe of it, and of the row itself

Every axis has a dimension scale. A field that was recorded with a slice names it in its attribute "slice", as in "z=16". The
universe axis exists when a run has more than one. Time counts steps of the length that
they had when the recording began. The log holds the edits before the recording began, then those made meanwhile; the edits that
`edits_before` counts are committed before their frame. The constant part of the file has a checksum, its attribute
"layout_crc32". This is version 3 of the schema; version 2 had no checksums, version 1 no edits either.
"""

import importlib.metadata
import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import h5py
import numpy as np

from aetheria.core.errors import ConfigError
from aetheria.core.version import __version__
from aetheria.observe.fields import Field
from aetheria.observe.request import AXIS_NAMES, Request
from aetheria.recording import checksums
from aetheria.recording.slices import slice_text

VERSION = 3
READABLE = (1, 2, VERSION)
CONVENTIONS = f"CF-1.11 Aetheria-{VERSION}"
MAX_CHUNK_BYTES = 4 * 2**20
Codec = Literal["gzip", "fast", "compact"]


class FieldLayout(NamedTuple):
    """Type and shape of one frame of a field, and the slice that was cut from it, as text; empty for none."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    slice: str = ""

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}" + (f" of slice {self.slice}" if self.slice else "")


def filters(codec: Codec) -> dict[str, Any]:
    """h5py's dataset keywords for a codec: "gzip" (every HDF5 library reads it), "fast" (LZ4) or "compact" (Zstandard).

    Raises:
        ConfigError: an unknown codec, or one that needs the package hdf5plugin.
    """
    if codec == "gzip":
        return {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
    if codec not in get_args(Codec):
        raise ConfigError(f'[record] codec: "{codec}" given; expected one of {", ".join(get_args(Codec))}')
    try:
        import hdf5plugin
    except ImportError:
        raise ConfigError(f'[record] codec: "{codec}" needs hdf5plugin: pip install hdf5plugin') from None
    chosen = hdf5plugin.LZ4() if codec == "fast" else hdf5plugin.Zstd(clevel=9)
    return {**chosen, "shuffle": True, "fletcher32": True}


def chunk_shape(frame: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Shape of a chunk: one frame; a frame over 4 MiB is divided along its leading axes until a chunk fits."""
    chunk = list(frame)
    for axis in range(len(chunk)):
        excess = math.prod(chunk) * itemsize / MAX_CHUNK_BYTES
        if excess <= 1:
            break
        chunk[axis] = max(1, math.ceil(chunk[axis] / math.ceil(excess)))
    return (1, *chunk)


def create(
    file: h5py.File,
    request: Request,
    *,
    grid: tuple[int, ...],
    batch: int,
    codec: Codec,
    attributes: Mapping[str, Any],
) -> None:
    """Creates the datasets and attributes of an empty recording. Nothing may be created later: SWMR mode follows."""
    file.attrs.update({"Conventions": CONVENTIONS, "aetheria_schema": VERSION, **attributes})
    file.create_dataset("frames", data=np.int64(0)).attrs["long_name"] = "committed frames"
    file.create_dataset("status", (), "S16")[()] = b"running"
    file["status"].attrs["long_name"] = "how the run ended"
    _series(file, "time", np.float64, "time in units of the law", "1").make_scale("time")
    _series(file, "step", np.int64, "steps done", "1")
    _series(file, "wall_time", np.float64, "wall clock", "seconds since 1970-01-01")
    _series(file, "edits_before", np.int64, "edits made before", "1")
    _log(file)
    axes, extents = request.axes(len(grid)), dict(zip(AXIS_NAMES[-len(grid) :], grid, strict=True))
    for axis, length in zip(axes, request.shown_size(grid), strict=True):
        extent = extents[axis]
        _scale(file, axis, axis_centres(length, extent), "cell centre", "cells")
    if batch > 1:
        _scale(file, "universe", np.arange(batch), "universe of the batch", "1")
    if any(f.name == "rgb" for f in request.fields):
        _scale(file, "colour", np.arange(3), "red, green, blue", "1")
    for field in request.fields:
        _field(file, field, request, codec, axes)
    for name in ("step", "wall_time", "edits_before"):
        file[name].dims[0].attach_scale(file["time"])
    _checksums(file, checksum_columns(request.fields, batch))
    file.attrs[checksums.LAYOUT] = checksums.of_layout(file)


def checksum_columns(fields: Sequence[Field], batch: int) -> dict[str, slice]:
    """Columns of the checksums of each field; the last column, after all of them, is the row's."""
    columns, first = {}, 0
    for field in fields:
        width = 1 if field.scalar else batch
        columns[field.name] = slice(first, first + width)
        first += width
    return columns


def layouts(request: Request, shape: tuple[int, ...]) -> dict[str, FieldLayout]:
    """The layout of each field, as `create` makes it for cells `(B, C, *grid)` of this shape."""
    batch, _, *sides = shape
    axes = request.axes(len(sides))
    lengths = {"universe": batch, "colour": 3, **dict(zip(axes, request.shown_size(tuple(sides)), strict=True))}
    return {
        field.name: FieldLayout(
            np.dtype(np.float64 if field.scalar else request.dtype),
            tuple(lengths[axis] for axis in axes_of(field, batch, axes)),
            "" if field.scalar else slice_text(request.slice),
        )
        for field in request.fields
    }


def layout_of(data: h5py.Dataset) -> FieldLayout:
    """The layout of a field in a file."""
    return FieldLayout(data.dtype, data.shape[1:], str(data.attrs.get("slice", "")))


def axes_of(field: Field, batch: int, shown: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a field's axes after time, where `shown` are those of the grid."""
    universe = ("universe",) if batch > 1 else ()
    if field.scalar:
        return universe
    return (*universe, *shown, *(("colour",) if field.name == "rgb" else ()))


def axis_centres(length: int, extent: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Coordinates of `length` values along an axis of `extent` cells, in cells: the centre of cell 0 is at 0."""
    return np.asarray((np.arange(length) + 0.5) * extent / length - 0.5)


def field_attributes(field: Field, request: Request) -> dict[str, Any]:
    """The attributes of a field: meaning, unit, colour map, range, slice, and scale of its pixels, by CF's names."""
    found: dict[str, Any] = {"long_name": field.meaning, "units": field.unit}
    if not field.scalar:
        found["colour_map"] = field.colour_map
        if request.slice:
            found["slice"] = slice_text(request.slice)
    if field.scalar or request.dtype != "uint8":
        # The range of the values, not of uint8 pixels: CF defines these attributes in packed units.
        found |= {key: bound for key, bound in zip(("valid_min", "valid_max"), field.range, strict=True) if bound is not None}
    if field.name in request.levels:
        low, high = request.levels[field.name]
        found |= {"scale_factor": (high - low) / 255, "add_offset": low}  # CF: value = scale_factor * pixel + add_offset
    return found


def to_file(values: np.ndarray[Any, Any], name: str, batch: int) -> np.ndarray[Any, Any]:
    """A frame's values as stored in the file: colours last, no universe axis for a single universe."""
    values = np.moveaxis(values, 1, -1) if name == "rgb" else values
    return values if batch > 1 else values[0]


def from_file(values: np.ndarray[Any, Any], name: str, batch: int) -> np.ndarray[Any, Any]:
    """The inverse of `to_file`: `(B, *size)`, "rgb" `(B, 3, *size)`, an observable `(B,)`."""
    values = values if batch > 1 else values[None]
    return np.moveaxis(values, -1, 1) if name == "rgb" else values


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that a run depends on, as attributes."""
    packages = ("torch", "numpy", "h5py")
    return {f"{p}_version": importlib.metadata.version(p) for p in packages} | {
        "aetheria_version": __version__,
        "hdf5_version": h5py.version.hdf5_version,
        "python_version": platform.python_version(),
        "platform": platform.platform(),
    }


def _field(file: h5py.File, field: Field, request: Request, codec: Codec, shown: tuple[str, ...]) -> None:
    batch = len(file["universe"]) if "universe" in file else 1
    axes = axes_of(field, batch, shown)
    frame = tuple(len(file[axis]) for axis in axes)
    if field.scalar:
        data = _series(file, field.name, np.float64, field.meaning, field.unit, frame)
    else:
        dtype = np.dtype(request.dtype)
        data = file.create_dataset(
            field.name,
            (0, *frame),
            dtype,
            maxshape=(None, *frame),
            chunks=chunk_shape(frame, dtype.itemsize),
            **filters(codec),
        )
    data.attrs.update({key: value for key, value in field_attributes(field, request).items() if key not in data.attrs})
    for index, axis in enumerate(("time", *axes)):
        data.dims[index].attach_scale(file[axis])


def _log(file: h5py.File) -> None:
    # In a group of its own, so that it does not appear among the fields.
    group = file.create_group("log")
    group.create_dataset("edit_bytes", data=np.int64(0)).attrs["long_name"] = "committed bytes of edits"
    group.create_dataset("edge_step", data=np.int64(-1)).attrs["long_name"] = "steps until live cells were at an edge"
    data = group.create_dataset("edits", (0,), np.uint8, maxshape=(None,), chunks=(1 << 14,))
    data.attrs["long_name"] = "edits, a line of JSON each"
    data.dims[0].attach_scale(_bare_scale(group, "byte", None, 1 << 14))


def _checksums(file: h5py.File, columns: Mapping[str, slice]) -> None:
    width = 1 + max((column.stop for column in columns.values()), default=0)
    rows = max(1, min(512, (1 << 16) // width))
    data = file["log"].create_dataset("checksums", (0, width), np.uint32, maxshape=(None, width), chunks=(rows, width))
    data.attrs["long_name"] = "CRC-32 of fields and rows"
    data.attrs["columns"] = " ".join(name for name, column in columns.items() for _ in range(column.stop - column.start))
    data.dims[0].attach_scale(_bare_scale(file["log"], "row", None, rows))
    data.dims[1].attach_scale(_bare_scale(file["log"], "checksum", width, width))


def _bare_scale(group: h5py.Group, name: str, length: int | None, chunk: int) -> h5py.Dataset:
    """An axis without coordinates, marked as netCDF does."""
    scale = group.create_dataset(name, (length or 0,), np.uint8, maxshape=(length,), chunks=(chunk,))
    scale.make_scale("This is a netCDF dimension but not a netCDF variable.")
    return scale


def _series(file: h5py.File, name: str, dtype: Any, meaning: str, unit: str, frame: tuple[int, ...] = ()) -> h5py.Dataset:
    data = file.create_dataset(name, (0, *frame), dtype, maxshape=(None, *frame), chunks=(512, *frame))
    data.attrs.update({"long_name": meaning, "units": unit})
    return data


def _scale(file: h5py.File, name: str, values: np.ndarray[Any, Any], meaning: str, unit: str) -> None:
    data = file.create_dataset(name, data=values)
    data.attrs.update({"long_name": meaning, "units": unit})
    data.make_scale(name)
