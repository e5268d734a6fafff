"""Reads a recording frame by frame."""

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import AetheriaError, ConfigError, DamagedRecordingError, RecordingError, nearest
from aetheria.motor.edits import Edit
from aetheria.observe.frame import Frame
from aetheria.recording import schema
from aetheria.recording.compress import read_row
from aetheria.recording.edit_lines import read_edits
from aetheria.recording.frame_fields import FrameFields
from aetheria.recording.frame_index import SERIES, ChecksumError, FrameIndex
from aetheria.recording.frame_sequence import FrameSequence
from aetheria.recording.header import READ_ERRORS, read_header
from aetheria.recording.open_files import open_shared
from aetheria.recording.other_files import kind_of, not_opened, reason
from aetheria.recording.overview import as_html, one_line
from aetheria.recording.tiled_recording import TiledRecording
from aetheria.recording.validate import check_read, checked_status, read_rows

if TYPE_CHECKING:
    import xarray


class Recording(FrameSequence):
    """A recorded run: a sequence of `Frame`s, equal to those the motor handed out.

        with Recording("run.h5") as recording:
            for frame in recording:
                print(frame.step, frame["density"].mean())
            last = recording[-1]
            every_tenth = recording[::10]

    Opens files that are still being written or whose writer was killed: only committed frames count.

    Attributes:
        path: of the file.
        attributes: law, seed, versions, device, precision, hashes (see `schema`).
        config: the run's configuration as TOML; empty for a run without one.
        fields, observables: names of the recorded fields, spatial and scalar.
        grid: cells along each axis of the run's grid.
        slice: the axes that were cut away from the fields when they were recorded, as in `Request.slice`.
        grid_axes: names of the axes of the grid that the fields have: ("z", "y", "x"), or those of them that are left.
        note: an irregularity found on opening; empty if there is none.
        closed: `close` was called.
    """

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            RecordingError: the file is missing, is no HDF5 file, or is not a recording this version can read.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise RecordingError(f"{self.path}: {kind_of(self.path)}")
        with suppress(ImportError):  # decodes "fast" and "compact" recordings
            importlib.import_module("hdf5plugin")
        try:
            self._shared = open_shared(self.path)
        except RecordingError:
            raise
        except (OSError, RuntimeError) as error:  # HDF5 raises either
            raise not_opened(self.path, error) from error
        self.closed = False
        try:
            self._header = header = read_header(self._shared, self.path)
        except BaseException:
            self.close()
            raise
        self.attributes, self.config = header.attributes, header.config
        self.note, self.fields, self.observables = header.note, header.fields, header.observables
        self.grid, self.slice, self.grid_axes = header.grid, header.slice, header.grid_axes
        self._batch, self._data, self._log = header.batch, header.data, header.log
        self._rows = FrameIndex(self._data, self._log.get("checksums"), header.columns, self.path)

    def __len__(self) -> int:
        """Number of committed frames; grows while a run is being recorded."""
        frames = self._data["frames"]
        with self._reading("frames"):
            frames.refresh()
            count = int(frames[()])
            if count != self._shared.seen:
                check_read(self._data["step"], count, self.path)
                for name in (*SERIES, *self.fields, *self.observables):
                    if name in self._data:  # schema 1 has no edits
                        self._data[name].refresh()
                if "checksums" in self._log:
                    self._log["checksums"].refresh()
                self._shared.seen = count
            there = len(self._data["step"])
        # A writer that ended normally leaves at most one row that it could not complete.
        if not (0 <= count <= there if self._shared.growing else there - 1 <= count <= there):
            raise DamagedRecordingError(self.path, f"is damaged; {count:,} frames are counted, {there:,} are there")
        self._rows.count = count
        return count

    def frame(self, index: int) -> Frame:
        """Committed frame `index`, from 0; its fields are read when asked for."""
        fields = FrameFields((*self.fields, *self.observables), index, self.read)
        with self._reading(f"frame {index}"):
            row = self._rows[index]
            return Frame(int(row["step"]), float(row["wall_time"]), fields, edits=int(row["edits_before"]))

    def __repr__(self) -> str:
        return one_line(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps of the committed frames."""
        return self._committed("step")

    @property
    def times(self) -> NDArray[np.float64]:
        """The times of the committed frames, in the law's own units."""
        return self._committed("time")

    @property
    def wall_times(self) -> NDArray[np.float64]:
        """The wall-clock times of the committed frames, in seconds since the epoch."""
        return self._committed("wall_time")

    @property
    def edits_before(self) -> NDArray[np.int64]:
        """Number of `edits` made before each committed frame."""
        return self._committed("edits_before")

    @property
    def edit_count(self) -> int:
        """Number of edits; none is decoded."""
        return len(self._edit_lines())

    @property
    def edit_bytes(self) -> int:
        """Committed bytes of the edit log."""
        return sum(len(line) + 1 for line in self._edit_lines())

    @property
    def edits(self) -> list[Edit]:
        """All edits in order: those before the recording began, then those made while it ran. Read on access.

        Raises:
            RecordingError: an edit is damaged.
        """
        return read_edits(self._edit_lines(), self.path, "checksums" in self._log)

    def _edit_lines(self) -> list[bytes]:
        if not self._log:
            return []
        counted, edits = self._log["edit_bytes"], self._log["edits"]
        with self._reading("edits"):
            counted.refresh()
            count = int(counted[()])
            edits.refresh()  # after the count, so that all that is counted is there
            if not 0 <= count <= len(edits) or (count < len(edits) and not self._shared.growing):
                what = f"is damaged; {count:,} bytes of edits are counted, {len(edits):,} are there"
                raise DamagedRecordingError(self.path, what)
            lines: list[bytes] = read_rows(edits, 0, count, self.path).tobytes().splitlines()
        return lines

    @property
    def status(self) -> str:
        """How the run ended: "done", "interrupted", "diverged", "disk full" or "failed"; "running" also if it was killed."""
        with self._reading("status"):
            self._data["status"].refresh()
            return checked_status(bytes(self._data["status"][()]))

    @property
    def edge_step(self) -> int | None:
        """Steps by which live cells were found at an edge of the grid that was empty before; None if they were not.

        None also in files of older versions, and until the frame after it is committed.
        """
        data = self._log.get("edge_step")
        if data is None or data.ndim:
            return None
        with self._reading("edge_step"):
            data.refresh()
            step = int(data[()])
        return step if step >= 0 else None

    def observable(self, name: str) -> NDArray[np.float64]:
        """An observable over time, `(frames, B)`.

        Raises:
            RecordingError: no such observable was recorded, or this part of the file is damaged.
        """
        if name not in self.observables:
            known = nearest(str(name), list(self.observables)) if self.observables else "none was"
            raise RecordingError(f'{self.path}: observable "{name}" not recorded; {known}')
        count = len(self)
        with self._reading(name):
            values: NDArray[np.float64] = read_rows(self._data[name], 0, count, self.path).reshape(count, self._batch)
            for index, row in enumerate(values):
                self._rows.check(name, index, row, self._batch)
        return values

    def axis(self, name: str) -> NDArray[np.float64]:
        """Centres of the pixels along one of `grid_axes`, in cells.

        Raises:
            RecordingError: the recording has no such axis.
        """
        if name not in self.grid_axes:
            raise RecordingError(f'{self.path}: has no axis "{name}"; expected {", ".join(self.grid_axes)}')
        with self._reading(name):
            values: NDArray[np.float64] = read_rows(self._data[name], 0, len(self._data[name]), self.path)
        return values

    def axes(self, name: str) -> tuple[str, ...]:
        """The names of a dataset's axes, as `("time", "y", "x")`."""
        return self._header.axes(name)

    def dataset(self, name: str) -> h5py.Dataset:
        """The HDF5 dataset behind a field, for slicing; see `schema` for its axes.

        Raises:
            RecordingError: no such field was recorded.
        """
        if name not in (*self.fields, *self.observables):
            raise RecordingError(
                f'{self.path}: field "{name}" not recorded; {nearest(str(name), [*self.fields, *self.observables])}'
            )
        return self._data[name]

    def frame_bytes(self, name: str) -> int:
        """Bytes of one frame of a field, in memory. Raises RecordingError when no such field was recorded."""
        data = self.dataset(name)
        return math.prod(data.shape[1:]) * data.dtype.itemsize

    def read(self, name: str, index: int, universe: int | None = None) -> NDArray[np.generic]:
        """A field of committed frame `index`, `(B, *size)`, "rgb" `(B, 3, *size)`; one universe is a batch of one.

        Raises:
            RecordingError: no such field was recorded, or this part of the file is damaged.
            NoSuchFrameError: no such frame. ConfigError: no such universe.
        """
        data = self.dataset(name)
        index = self.checked_index(index)
        if universe is not None and (isinstance(universe, bool) or not 0 <= universe < self._batch):
            raise ConfigError(f"universe: {universe!r} given; expected 0 to {self._batch - 1}")
        part = slice(None) if universe is None else slice(universe, universe + 1)
        whole = universe is None or name in self.observables  # an observable has one checksum for all universes
        codec = self.attributes.get("codec", "gzip")
        with self._reading(
            f"frame {index} of {name}",
            "" if codec == "gzip" else f'; codec "{codec}" needs hdf5plugin: pip install hdf5plugin',
        ):
            check_read(data, 1, self.path)
            values = read_row(data, index) if whole or self._batch == 1 else read_row(data, index, part)
            self._rows.check(name, index, values, self._batch, None if whole else universe)
        values = schema.from_file(values, name, self._batch)
        return values[part] if name in self.observables else values

    def to_xarray(self) -> "xarray.Dataset":
        """The committed frames as an `xarray.Dataset`, loaded lazily; uint8 pixels are decoded to the field's unit.

        Raises:
            RecordingError: xarray or h5netcdf is not installed.
        """
        try:
            import h5netcdf
            import xarray
        except ImportError:
            raise RecordingError("to_xarray needs xarray and h5netcdf: pip install xarray h5netcdf") from None
        store = xarray.backends.H5NetCDFStore(h5netcdf.File(self._shared.file, "r"))
        return xarray.open_dataset(store).isel(time=slice(len(self)))

    def movie(
        self,
        field: str | None = None,
        *,
        fps: float = 20.0,
        first: int | None = None,
        last: int | None = None,
        every: int = 1,
        progress: bool | None = None,
        **style: Any,
    ) -> Any:
        """A film, which a notebook shows: an MP4 where PyAV is installed, else a GIF. `movie().save(PATH)` writes it.

        Of a field with a single axis it is the space-time picture.

        Args:
            field: its name; None for the first one recorded, "rgb" before others.
            fps: frames a second.
            first, last: range of steps, ends included; None for the recording's.
            every: 1 for all of these frames, n for each n-th of them.
            progress: show a progress bar; None for one where a person watches: a terminal or a notebook.
            style: colours, levels, universe, scale and slice; see `aetheria.export.pictures.PictureStyle`. Small pictures are
                enlarged unless a scale is given.

        Raises:
            ConfigError: no such field, frame, universe, slice or colour map; a field of three axes without a slice.
        """
        # By name, as the package is above this one: it knows recordings.
        inline: Any = importlib.import_module("aetheria.inline.film")
        return inline.film(self, field, fps, (first, last, every), progress, style)

    @property
    def full_resolution(self) -> TiledRecording:
        """The frames at full resolution that lie beside it (`record.format = "zarr"`).

        Raises:
            RecordingError: there are none, or those of another recording. ConfigError: zarr is not installed.
        """
        found = TiledRecording(self.path.with_suffix(".zarr"))
        if found.attributes.get("id") != self.attributes.get("id"):
            raise RecordingError(f"{found.path}: belongs to another recording than {self.path}")
        return found

    def close(self) -> None:
        """Closes the file; fields that were not read yet cannot be read any more."""
        if not self.closed:
            self.closed = True
            self._shared.release()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the path: a copy opens the file again."""
        return type(self), (self.path.absolute(),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _committed(self, name: str) -> NDArray[Any]:
        len(self)  # updates the count
        with self._reading(name):
            return self._rows.column(name)

    @contextmanager
    def _reading(self, what: str, hint: str = "") -> Iterator[None]:
        if self.closed:
            raise RecordingError(f"{self.path}: is closed; open it again to read {what}")
        try:
            yield
        except ChecksumError as error:
            raise DamagedRecordingError(self.path, f"{what} is damaged; {error}") from None
        except AetheriaError:
            raise
        except READ_ERRORS as error:
            if hint or self.closed:
                raise RecordingError(f"{self.path}: {what} cannot be read; {reason(error)}{hint}") from error
            raise DamagedRecordingError(self.path, f"{what} cannot be read; {reason(error)}") from error
