"""Takes up a recording that was closed, or whose writer was killed, to go on writing it from a frame that it holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from pydantic import Field as Setting

from aetheria.core.errors import ConfigError, RecordingError
from aetheria.core.failpoints import reached
from aetheria.core.settings import Settings
from aetheria.recording import schema
from aetheria.recording.superblock import release

MOMENTS = ("recording reopened", "frames uncounted", "frames dropped")
FORMAT: dict[str, Any] = {"libver": ("v110", "v110"), "rdcc_nbytes": 0}


class Position(Settings):
    """How far a recording had come.

    Attributes:
        recording: the "id" among its attributes.
        frames: committed.
        edits: how many had been made.
        edit_bytes: committed bytes of the log of edits, which may hold some that are yet to be made again.
    """

    recording: str
    frames: int = Setting(ge=0)
    edits: int = Setting(ge=0)
    edit_bytes: int = Setting(ge=0)


def reopen(path: Path, position: Position, wanted: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> h5py.File:
    """Opens a recording for writing and drops the frames behind `position`. Edits stay: they will be made again.

    A kill at any moment leaves a recording that can be taken up at the same position.

    Args:
        wanted: type and shape of a frame of every field that will be written.

    Raises:
        RecordingError: the file is another recording, or does not reach so far.
        ConfigError: it holds other fields.
        OSError, RuntimeError: it cannot be opened or written.
    """
    release(path)
    file = h5py.File(path, "r+", **FORMAT)
    try:
        _check(path, file, position, wanted)
        file.swmr_mode = True
        reached("recording reopened")
        _drop(file, position)
    except BaseException:
        file.close()
        raise
    return file


def _check(path: Path, file: h5py.File, position: Position, wanted: Mapping[str, Any]) -> None:
    version = file.attrs.get("aetheria_schema")
    if version != schema.VERSION:
        raise RecordingError(f"{path}: has schema {version}; only recordings of schema {schema.VERSION} can be written on")
    if str(file.attrs.get("id", "")) != position.recording:
        raise RecordingError(f"{path}: is not the recording that the saved state belongs to")
    frames, edit_bytes = int(file["frames"][()]), int(file["log/edit_bytes"][()])
    if frames < position.frames or edit_bytes < position.edit_bytes:
        raise RecordingError(
            f"{path}: holds {frames} frames; expected {position.frames} or more, where the saved state was made"
        )
    found = {name: (file[name].dtype, file[name].shape[1:]) for name in wanted if name in file}
    if found != dict(wanted):
        shown = [f"{name} {dtype} {shape}" for name, (dtype, shape) in wanted.items() if found.get(name) != (dtype, shape)]
        raise ConfigError(f"{path}: was recorded otherwise; it does not hold {', '.join(shown)}")


def _drop(file: h5py.File, position: Position) -> None:
    file["status"][()] = b"running"
    # First: readers trust only the rows this count covers.
    file["frames"][()] = position.frames
    file.flush()
    reached("frames uncounted")
    for data in _series(file):
        if len(data) > position.frames:
            data.resize(position.frames, 0)
    for name in ("edits", "byte"):
        file[f"log/{name}"].resize(min(len(file[f"log/{name}"]), int(file["log/edit_bytes"][()])), 0)
    file.flush()
    reached("frames dropped")


def _series(file: h5py.File) -> list[h5py.Dataset]:
    """The datasets that grow with the frames."""
    found = (*file.values(), file["log/checksums"])
    return [data for data in found if isinstance(data, h5py.Dataset) and data.maxshape and data.maxshape[0] is None]
