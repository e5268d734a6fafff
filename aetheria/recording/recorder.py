"""Writes a recording while the motor runs: one writer thread behind a bounded, lossless queue."""

import io
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from aetheria.core.errors import AetheriaError, ConfigError, DivergedError
from aetheria.core.failpoints import reached
from aetheria.files.atomic import check_output
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.feed import Frame
from aetheria.observe.request import PixelType
from aetheria.recording import checksums, schema
from aetheria.recording.append import FORMAT, Position
from aetheria.recording.disk_space import DiskBudget, frame_bytes
from aetheria.recording.edit_lines import EditLines
from aetheria.recording.frame_index import SERIES
from aetheria.recording.growing_file import GrowingFile
from aetheria.recording.lock import WriteLock
from aetheria.recording.metadata import describe
from aetheria.recording.write_errors import disk_full, named, status_of

MOMENTS = (
    "recording laid out",
    "recording opened",
    "recording in place",
    "edits flushed",
    "frame appended",
    "frame flushed",
    "frame counted",
    "recording closed",
)
_POLL_S = 0.2  # between looks whether the writer thread still lives


class Recorder:
    """Records a motor to one HDF5 file, as a context manager around the stepping.

        with Recorder(motor, "run.h5", fields=["density"], every=10):
            motor.step(1000)

    Frames are written by a thread of their own; when it falls behind, the motor waits. The file can be read by other
    processes while it grows (SWMR). A frame is committed when its data is flushed and then counted: whatever is counted
    is readable, however the process ends. What is changed by hand (`motor.edits`) is written before the frame that follows it.

    Attributes:
        path: of the file.
        frames: committed.
    """

    def __init__(
        self,
        motor: Aetheria_Motor,
        path: str | Path,
        *,
        fields: Sequence[str] | None = None,
        every: int = 1,
        size: int | tuple[int, int] | None = None,
        dtype: PixelType = "float32",
        levels: Mapping[str, tuple[float, float]] | None = None,
        codec: schema.Codec = "gzip",
        overwrite: bool = False,
        config: str = "",
        title: str = "",
        essential: bool = True,
        resume: Position | None = None,
        until: int | None = None,
    ) -> None:
        """
        Args:
            motor: whose frames to record, from its present step on.
            path: of the file; its folder must exist.
            fields, every, size, dtype, levels: as for `Aetheria_Motor.subscribe`. Observables are kept as float64.
            codec: "gzip" (level 1, shuffle, checksums; read everywhere), or with hdf5plugin "fast" or "compact".
            overwrite: replace an existing file.
            config: the run's full configuration as TOML, kept in the file with its hash.
            title: one line for people.
            resume: goes on with the file that exists, from there; the motor is to be as it was then. What is recorded must be
                as before, `config` and `title` stay as they are in the file, and the edits that the file holds beyond the
                position are for the caller to make again, each at its step.
            until: the step at which the run is to end, where that is known: a warning says when the disk may not take all
                frames to come, and they are refused when it cannot.
            essential: whether a recording that fails ends the stepping too. If not, the steps go on without it, and `error` and
                `finish` say what went wrong.

        Raises:
            ConfigError: the file exists, its folder is missing or not writable, or an unknown field or codec.
            RecordingError: the file to go on with is another, or does not reach so far.
            DiskFullError: there is no room for the frames until the end, however well they compress.
        """
        self.path = Path(path)
        schema.filters(codec)
        check_output(self.path, overwrite or resume is not None)
        self.frames = self._first = resume.frames if resume else 0
        self._progress = threading.Condition()
        self._batch = motor.shape[0]
        self._dt = motor.traits.dt
        self._essential = essential
        self._error: AetheriaError | None = None
        self._closed = False
        self._broken = False  # HDF5 could not write, and holds what it will never get rid of
        self._edits = EditLines(motor, resume.edits if resume else None)  # before the first frame, which counts them
        with ExitStack() as undone:
            undone.callback(self._edits.close)
            self._subscription = motor.subscribe(
                every=every, fields=fields, size=size, delivery="lossless", dtype=dtype, levels=levels
            )
            undone.callback(self._subscription.close)
            self._room = self._foreseen(motor, codec, until, new=resume is None)
            self._lock = WriteLock(self.path)
            undone.callback(self._lock.release)
            try:
                if resume:
                    self._file = self._reopen(motor, resume)
                else:
                    self._file = self._create(motor, codec, {"title": title, **describe(motor, config)})
            except (OSError, RuntimeError) as error:
                raise self._named(error) from error
            undone.pop_all()
        self._writer = threading.Thread(target=self._write_all, name=f"recorder {self.path.name}", daemon=True)
        self._writer.start()

    def finish(self, status: str = "done") -> None:
        """Writes what waits, says how the run ended, and closes the file. Later calls do nothing.

        Raises:
            AetheriaError: what went wrong in the writer thread.
        """
        self._subscription.close()
        self._writer.join()
        self._edits.close()
        if self._closed:
            return
        self._closed = True
        try:
            if self._error is None:
                self._write_edits()
            if not self._broken:
                self._file.end(status_of(self._error) if self._error else status)
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self._broken:
            self._file.note(status_of(self._error) if self._error else "failed")
        self._file.leave()
        try:
            if not self._broken:
                self._file.release()
        except OSError as error:
            self._fail(error)
        reached("recording closed")
        self._lock.release()
        if self._error:
            raise self._error

    def sync(self) -> Position:
        """Waits until all that the motor has handed over is committed, and on the disk; says how far the recording has come.

        For the thread that steps the motor, and while nobody edits.

        Raises:
            AetheriaError: what went wrong in the writer thread.
        """
        with self._progress:
            while self._writer.is_alive() and self._error is None and self.frames < self._first + self._subscription.handed:
                self._progress.wait(_POLL_S)
        try:
            if self._error is None:
                self._write_edits()
                self._file.sync()
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self._error:
            raise self._error
        return Position(recording=self.id, frames=self.frames, edits=self._edits.made, edit_bytes=self._file.edit_bytes)

    @property
    def id(self) -> str:
        """Of the recording; no other has it."""
        return self._file.id

    @property
    def error(self) -> AetheriaError | None:
        """What went wrong in the writer thread, which ended the recording."""
        return self._error

    @property
    def waited_s(self) -> float:
        """Seconds the motor has waited for the writer."""
        return self._subscription.waited_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.finish()
            return
        try:
            self.finish(status_of(error))
        except AetheriaError as own:
            if own is not error:
                error.add_note(str(own))

    def _create(self, motor: Aetheria_Motor, codec: schema.Codec, attributes: dict[str, Any]) -> GrowingFile:
        request, (_, _, height, width) = self._subscription.request, motor.shape
        attributes |= {"every": self._subscription.every, "codec": codec}
        # In memory first: HDF5 crashes the process when it cannot write a file out.
        image = io.BytesIO()
        with h5py.File(image, "w", **FORMAT) as file:
            schema.create(file, request, grid=(height, width), batch=self._batch, codec=codec, attributes=attributes)
        return GrowingFile.create(self.path, image.getbuffer())

    def _foreseen(self, motor: Aetheria_Motor, codec: schema.Codec, until: int | None, new: bool) -> DiskBudget:
        room, asked = DiskBudget(self.path, until, self._subscription.every), self._subscription.request
        freed = self.path.stat().st_size if new and self.path.exists() else 0
        # A new recording has a frame of the present step, if it is due; of one gone on with that may be there.
        room.foresee(motor.step_count - new, frame_bytes(asked, motor.shape), codec, freed)
        return room

    def _reopen(self, motor: Aetheria_Motor, position: Position) -> GrowingFile:
        file = GrowingFile.reopen(self.path, position, schema.layout(self._subscription.request, motor.shape))
        if position.frames and file.step_of(position.frames - 1) == motor.step_count:
            self._subscription.mark_seen(motor.step_count)
        self._edits.go_on_behind(file.edit_lines)
        return file

    def _write_all(self) -> None:
        try:
            for frame in self._subscription:
                self._commit(frame)
        except Exception as error:  # noqa: BLE001 - whatever it is, the motor's thread must hear of it
            failure = self._fail(error)
            if self._essential:
                self._subscription.fail(failure)
            else:
                self._subscription.close()
            with self._progress:
                self._progress.notify_all()

    def _commit(self, frame: Frame) -> None:
        self._check_values(frame)
        self._check_space(2 * sum(values.nbytes for values in frame.fields.values()))
        self._write_edits()
        row = self.frames
        series = frame.step * self._dt, frame.step, frame.wall_time, self._edits.place(frame.edits)
        for name, value in zip(SERIES, series, strict=True):
            self._file.append(name, row, value)
        sums: list[int] = []
        for name, values in frame.fields.items():
            stored = np.ascontiguousarray(schema.to_file(values, name, self._batch))
            self._file.append(name, row, stored)
            sums += checksums.of_field(stored, self._batch)
        of_fields = np.array(sums, "<u4")
        of_row = np.uint32(checksums.of_row(row, *series, of_fields.tobytes()))
        self._file.append("log/checksums", row, np.append(of_fields, of_row))
        self._file.commit(row + 1)
        with self._progress:
            self.frames = row + 1
            self._progress.notify_all()
        self._room.watch(frame.step, row + 1, self._file.nbytes)

    def _write_edits(self) -> None:
        lines = self._edits.take()
        if lines:
            self._check_space(len(lines))
            self._file.add_edits(lines)

    def _check_values(self, frame: Frame) -> None:
        # Of what is written, not of the cells alone: a square overflows long before the cell does.
        for name, values in frame.fields.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                if values.dtype == np.float16:
                    raise ConfigError(
                        f'[record] dtype: "{name}" leaves the range of float16, 65504, at step {frame.step}; '
                        "record float32, or uint8 with levels"
                    )
                raise DivergedError(f"{name} holds NaN or Inf at step {frame.step}; the {self.frames} frames before are good")

    def _check_space(self, nbytes: int) -> None:
        # Before writing, not after failing: HDF5 cannot close a file that it could not write, and crashes at exit.
        if not self._room.takes(nbytes):
            raise disk_full(self.path, self.frames)

    def _fail(self, error: Exception) -> AetheriaError:
        self._broken = self._broken or not isinstance(error, AetheriaError)
        self._error = self._error or self._named(error)
        return self._error

    def _named(self, error: Exception) -> AetheriaError:
        return named(error, self.path, self.frames, self._room)
