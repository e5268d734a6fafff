"""The header of a recording: attributes, fields and axes, read and checked when the file is opened."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from aetheria.core.errors import AetheriaError, ConfigError, DamagedRecordingError, RecordingError
from aetheria.core.printable import get_logger
from aetheria.core.shell import shell_quoted
from aetheria.observe.request import AXIS_NAMES, Cut, check_slice
from aetheria.recording import checksums, schema
from aetheria.recording.open_files import SharedFile
from aetheria.recording.slices import parse_slice
from aetheria.recording.validate import check_attributes, check_plain_read, check_series

# HDF5 raises the first two; h5py and NumPy raise the others for data of an unexpected form.
READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError)

NOT_FIELDS = {"time", "step", "wall_time", "edits_before", "log", "frames", "status", "universe", *AXIS_NAMES, "colour"}


log = get_logger(__name__)


class Header:
    """All that a recording states about itself besides its frames and edits.

    Attributes:
        attributes: law, seed, versions, device, precision, hashes (see `schema`).
        config: the run's configuration as TOML; empty for a run without one.
        batch: number of universes.
        data: the datasets by name.
        log: those of the group "log".
        fields, observables: names of the recorded fields, spatial and scalar.
        grid: cells along each axis of the run's grid.
        slice: the axes that were cut away from the fields when they were recorded, as in `Request.slice`.
        grid_axes: names of the grid's axes that the fields have.
        columns: of the checksums of each field; empty for a file without checksums.
        note: an irregularity found on opening; empty if there is none.
    """

    note = ""

    def __init__(self, shared: SharedFile, path: Path) -> None:
        """Raises what `read_header` does, and `READ_ERRORS` for a damaged file."""
        file = shared.file
        version = file.attrs.get("aetheria_schema")
        if np.ndim(version) or version not in schema.READABLE:
            if version is None:
                raise RecordingError(f"{path}: is an HDF5 file, but is not an Aetheria recording")
            wanted = " or ".join(map(str, schema.READABLE))
            raise RecordingError(f"{path}: has schema {version}; expected schema {wanted}, which this Aetheria reads")
        self.attributes: dict[str, Any] = dict(file.attrs)
        check_attributes(self.attributes)
        self.config = str(self.attributes.pop("config"))
        self.batch = int(self.attributes["universes"])
        self.data: dict[str, h5py.Dataset] = {name: shared.dataset(name) for name in file if name != "log"}
        self.log = {name: shared.dataset(f"log/{name}") for name in file["log"]} if "log" in file else {}
        check_series(self.data)
        if version >= 3:
            _check_layout(file, path, self.attributes.pop(checksums.LAYOUT, None))
        recorded = [name for name in self.data if name not in NOT_FIELDS]
        self.fields = tuple(name for name in recorded if {*AXIS_NAMES} & {*self.axes(name)})
        self.observables = tuple(name for name in recorded if name not in self.fields)
        self.grid: tuple[int, ...] = tuple(map(int, self.attributes["grid"]))
        sides = dict(zip(AXIS_NAMES[-len(self.grid) :], self.grid, strict=True))
        self.slice = recorded_slice(self.data[self.fields[0]], sides) if self.fields else {}
        self.grid_axes = tuple(axis for axis in sides if axis not in self.slice)
        self._check_axes()
        self.columns = checksum_columns(self.log.get("checksums"))
        if shared.abandoned:
            quoted = shell_quoted(path)
            self.note = (
                f"its writer was killed: {int(self.data['frames'][()]):,} frames are committed, later ones never were; "
                f"`aetheria run --resume {quoted}` continues it, `aetheria repair {quoted}` makes a closed copy"
            )
            log.warning("%s: %s", path, self.note)

    def axes(self, name: str) -> tuple[str, ...]:
        """The names of a dataset's axes, as `("time", "y", "x")`."""
        return tuple(dim[0].name.removeprefix("/") for dim in self.data[name].dims)

    def _check_axes(self) -> None:
        for name in self.fields:
            axes = tuple(axis for axis in self.axes(name) if axis not in ("time", "universe", "colour"))
            if axes != self.grid_axes:
                raise ValueError(f"{name} has the axes {', '.join(axes)}; expected {', '.join(self.grid_axes)}")


def read_header(shared: SharedFile, path: Path) -> Header:
    """The header of a recording that was opened.

    Raises:
        RecordingError: the file is not a recording, has another schema, or is damaged.
    """
    try:
        return Header(shared, path)
    except AetheriaError:
        raise
    except READ_ERRORS as error:
        raise DamagedRecordingError(path, f"is damaged; {error}") from error


def recorded_slice(data: h5py.Dataset, sides: Mapping[str, int]) -> dict[str, Cut]:
    """The slice that a field of a grid with these sides was recorded with.

    Raises:
        ValueError: its attribute "slice" is no slice of such a grid.
    """
    text = data.attrs.get("slice")
    if text is None:
        return {}
    try:
        cuts = parse_slice(str(text))
        check_slice(cuts, sides)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return cuts


def checksum_columns(stored: h5py.Dataset | None) -> dict[str, slice]:
    """The columns of each field in the dataset of checksums."""
    names = str(stored.attrs["columns"]).split() if stored is not None else []
    return {name: slice(names.index(name), names.index(name) + names.count(name)) for name in names}


def _check_layout(file: h5py.File, path: Path, stored: Any) -> None:
    for name in checksums.SCALES:
        if name in file:
            check_plain_read(file[name], len(file[name]), path)
    if checksums.of_layout(file) != stored:
        raise ValueError("its attributes or axes were changed after they were written")
