"""Opens a recording for appending: one that was closed, or whose writer was killed, from a frame that it holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
from pydantic import Field as Setting

from aetheria.core.errors import ConfigError, RecordingError
from aetheria.core.failpoints import reached
from aetheria.core.settings import Settings
from aetheria.recording import schema
from aetheria.recording.hdf5.structure import check_structure
from aetheria.recording.superblock import clear_writer_mark
from aetheria.recording.validate import check_plain_read

FAILPOINTS = ("recording reopened", "frames uncounted", "frames dropped")
FORMAT: dict[str, Any] = {"libver": ("v110", "v110"), "rdcc_nbytes": 0}


class ResumePoint(Settings):
    """The frame of a recording after which a run goes on.

    Attributes:
        recording: its attribute "id".
        frames: committed frames.
        edits: edits made by then.
        edit_bytes: committed bytes of the edit log, which may include edits that are still to be repeated.
    """

    recording: str
    frames: int = Setting(ge=0)
    edits: int = Setting(ge=0)
    edit_bytes: int = Setting(ge=0)


def open_to_append(path: Path, point: ResumePoint, wanted: Mapping[str, schema.FieldLayout]) -> h5py.File:
    """Opens a recording for writing and drops the frames after `point`. Edits after it stay: they will be repeated.

    A kill at any moment leaves a recording that can be opened at the same point again.

    Args:
        wanted: layout of every field that will be written.

    Raises:
        RecordingError: the file is another recording, or has fewer frames.
        ConfigError: it holds other fields.
        OSError, RuntimeError: it cannot be opened or written.
    """
    clear_writer_mark(path)
    with path.open("rb") as content:
        check_structure(content, path)
    file = h5py.File(path, "r+", **FORMAT)
    try:
        _check(path, file, point, wanted)
        file.swmr_mode = True
        reached("recording reopened")
        _drop_frames(file, point)
    except BaseException:
        file.close()
        raise
    return file


def _check(path: Path, file: h5py.File, point: ResumePoint, wanted: Mapping[str, schema.FieldLayout]) -> None:
    version = file.attrs.get("aetheria_schema")
    if version != schema.VERSION:
        raise RecordingError(f"{path}: has schema {version}; only recordings of schema {schema.VERSION} can be appended to")
    if str(file.attrs.get("id", "")) != point.recording:
        raise RecordingError(f"{path}: is not the recording that the saved state belongs to")
    frames, edit_bytes = int(file["frames"][()]), int(file["log/edit_bytes"][()])
    if frames < point.frames or edit_bytes < point.edit_bytes:
        raise RecordingError(f"{path}: holds {frames} frames; expected {point.frames} or more, as when the state was saved")
    check_plain_read(file["log/edits"], edit_bytes, path)
    found = {name: schema.layout_of(file[name]) for name in wanted if name in file}
    if found != dict(wanted):
        shown = [f"{name} {layout}" for name, layout in wanted.items() if found.get(name) != layout]
        raise ConfigError(f"{path}: was recorded otherwise; it does not hold {', '.join(shown)}")


def _drop_frames(file: h5py.File, point: ResumePoint) -> None:
    file["status"][()] = b"running"
    # First: readers trust only the rows this count covers.
    file["frames"][()] = point.frames
    file.flush()
    reached("frames uncounted")
    for data in _growing_datasets(file):
        if len(data) > point.frames:
            data.resize(point.frames, 0)
    for name in ("edits", "byte"):
        file[f"log/{name}"].resize(min(len(file[f"log/{name}"]), int(file["log/edit_bytes"][()])), 0)
    file.flush()
    reached("frames dropped")


def _growing_datasets(file: h5py.File) -> list[h5py.Dataset]:
    """The datasets with a row for each frame."""
    found = (*file.values(), file["log/checksums"])
    return [data for data in found if isinstance(data, h5py.Dataset) and data.maxshape and data.maxshape[0] is None]
