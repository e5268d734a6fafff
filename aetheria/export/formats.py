"""Recordings in formats of other programs: VTKHDF for ParaView, NumPy archives, Zarr stores."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, RecordingError
from aetheria.core.memory_limits import check_room
from aetheria.export.names import exported_names
from aetheria.files.atomic import atomic_write, remove_leftovers, temporary_name
from aetheria.recording import Recording, schema
from aetheria.recording.slices import slice_text

_KEPT = ("long_name", "units", "colour_map", "scale_factor", "add_offset", "slice")  # attributes of a field that are copied


def save_vtkhdf(recording: Recording, path: Path) -> None:
    """Writes a small file through which ParaView (VTK 9.3 or newer) shows a recording; the values stay in the recording.

    Each field is a virtual dataset of points at the centres of cells, with a time step for each frame; each universe of a batch
    is an array of its own. uint8 pixels are not converted.

    Source: "VTKHDF format specification", VTK documentation: ImageData, temporal, version 2.0.

    Raises:
        ConfigError: the recording is still being written, or its codec is one that VTK cannot read.
        RecordingError: it holds no field, or no frame.
    """
    codec, count = recording.attributes["codec"], len(recording)
    if codec != "gzip":
        raise ConfigError(f'--vtkhdf: {recording.path} has codec "{codec}"; ParaView reads "gzip" only (--npz takes any)')
    if recording.status == "running":
        raise ConfigError(f"--vtkhdf: {recording.path} is still being written; ParaView cannot read it before it is closed")
    if not recording.fields or not count:
        raise RecordingError(f"{recording.path}: holds no field or no frame to show")
    axes = [_vtk_axis(recording, name) for name in ("x", "y", "z")]
    with atomic_write(path) as temporary, h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = np.array([2, 0])
        root.attrs.create("Type", np.bytes_(b"ImageData"), dtype=h5py.string_dtype("ascii", 9))
        root.attrs["WholeExtent"] = np.array([end for centres in axes for end in (0, len(centres) - 1)])
        root.attrs["Origin"] = np.array([centres[0] for centres in axes])
        root.attrs["Spacing"] = np.array([_spacing(centres) for centres in axes])
        root.attrs["Direction"] = np.eye(3).ravel()
        steps = root.create_group("Steps")
        steps.attrs["NSteps"] = count
        steps["Values"] = recording.times
        offsets = steps.create_group("PointDataOffsets")
        points = root.create_group("PointData")
        source = os.path.relpath(recording.path.resolve(), path.resolve().parent)
        names = exported_names(recording)
        for field in recording.fields:
            for name, layout in _layouts(recording, field, names[field], source, count):
                points.create_virtual_dataset(name, layout)
                offsets[name] = np.arange(count)


def _layouts(recording: Recording, field: str, called: str, source: str, count: int) -> list[tuple[str, h5py.VirtualLayout]]:
    """The arrays of a field by name, `(frames, *size)`, of colours `(frames, *size, 3)`; VTK wants no axis of length 1."""
    data = recording.dataset(field)
    universes = int(recording.attributes["universes"])
    frame = data.shape[1:] if universes == 1 else data.shape[2:]
    index = tuple(0 if length == 1 else slice(None) for length in frame)
    shape = tuple(length for length in frame if length > 1)
    dtype = np.float32 if data.dtype == np.float16 else data.dtype  # VTK has no half precision; HDF5 converts
    layouts = []
    for universe in range(universes):
        whole = h5py.VirtualSource(_escaped(source), _escaped(data.name), data.shape, data.dtype)
        layout = h5py.VirtualLayout((count, *shape), dtype)
        layout[:] = whole[(slice(count), *index) if universes == 1 else (slice(count), universe, *index)]
        layouts.append((called if universes == 1 else f"{called}_universe_{universe}", layout))
    return layouts


def _escaped(name: str) -> str:
    """A name in a virtual dataset, where HDF5 takes "%b" for the number of a block."""
    return name.replace("%", "%%")


def _vtk_axis(recording: Recording, name: str) -> NDArray[np.float64]:
    """Centres along an axis; one point where the recording has none: at its slice, or 0."""
    if name in recording.grid_axes:
        return recording.axis(name)
    cut = recording.slice.get(name)
    return np.array([float(cut) if isinstance(cut, int) else 0.0])


def _spacing(centres: NDArray[np.float64]) -> float:
    return float(centres[1] - centres[0]) if len(centres) > 1 else 1.0


def save_zarr(recording: Recording, path: Path) -> None:
    """Writes a Zarr store (a folder) of all fields and observables, with the axes and units of the file.

    `xarray.open_zarr` and `zarr.open` read it. An existing store of this name is replaced.

    Raises:
        ConfigError: zarr is not installed, or another file or folder has this name.
    """
    try:
        import zarr
    except ImportError:
        raise ConfigError("--zarr needs zarr: pip install zarr") from None
    if path.exists() and not (path / "zarr.json").is_file():
        raise ConfigError(f"{path}: is not a Zarr store; it is not replaced by one")
    remove_leftovers(path.parent, path.name.__eq__)
    temporary = temporary_name(path)
    try:
        temporary.mkdir()
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        group.attrs.update(json.loads(metadata(recording)))
        for name, values in _series(recording).items():
            axis = name if name in recording.grid_axes else "time"
            group.create_array(name, data=values, dimension_names=[axis])
        for name, called in exported_names(recording).items():
            _fill(group, recording, name, called)
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _fill(group: Any, recording: Recording, name: str, called: str) -> None:
    data, count, batch = recording.dataset(name), len(recording), int(recording.attributes["universes"])
    shape = (count, *data.shape[1:])
    array = group.create_array(
        called, shape=shape, dtype=data.dtype, chunks=(1, *shape[1:]), dimension_names=recording.axes(name)
    )
    array.attrs.update({key: _plain(data.attrs[key]) for key in _KEPT if key in data.attrs})
    for index in range(count):
        array[index] = schema.to_file(recording.read(name, index), name, batch)


def _series(recording: Recording) -> dict[str, NDArray[Any]]:
    """The one-dimensional arrays: times and steps of the frames, and the axes."""
    frames = {"time": recording.times, "step": recording.steps, "wall_time": recording.wall_times}
    return frames | {name: recording.axis(name) for name in recording.grid_axes}


def save_npz(recording: Recording, path: Path) -> None:
    """Writes a compressed archive for `numpy.load`: all fields and observables, "time", "step", "wall_time", the axes ("z",
    "y", "x"), and "metadata", JSON with the recording's attributes and config. Each field is held in memory.

    Raises:
        StateError: a field does not fit into memory.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = _arrays(recording)
        np.savez_compressed(file, **arrays)


def _arrays(recording: Recording) -> dict[str, NDArray[Any]]:
    data = [recording.dataset(name) for name in (*recording.fields, *recording.observables)]
    nbytes = sum(array.nbytes for array in data)
    check_room(nbytes, f"{recording.path}: an archive", "export to --zarr, or read frames with recording.read")
    names = exported_names(recording)
    found: dict[str, NDArray[Any]] = {names[name]: _values(recording, name) for name in recording.fields}
    found |= {names[name]: recording.observable(name) for name in recording.observables}
    return found | _series(recording) | {"metadata": np.array(metadata(recording))}


def _values(recording: Recording, name: str) -> NDArray[Any]:
    """All committed frames of a field, `(frames, B, *size)`, "rgb" `(frames, B, 3, *size)`."""
    frames = len(recording)
    if not frames:
        return np.empty((0, *recording.dataset(name).shape[1:]))
    first = recording.read(name, 0)
    values = np.empty((frames, *first.shape), first.dtype)
    for index in range(frames):
        values[index] = recording.read(name, index)
    return values


def metadata(recording: Recording) -> str:
    """The recording's attributes, config (TOML) and status as JSON."""
    plain = {key: _plain(value) for key, value in recording.attributes.items()}
    cuts = {"slice": slice_text(recording.slice)} if recording.slice else {}
    return json.dumps(plain | cuts | {"config": recording.config, "status": recording.status})


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
