"""Writes a recording while the motor runs: a writer thread behind a bounded, lossless queue."""

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
from aetheria.observe.frame import Frame
from aetheria.observe.request import Cut, PixelType
from aetheria.recording import checksums, schema
from aetheria.recording.append import FORMAT, ResumePoint
from aetheria.recording.disk_space import DiskBudget, frame_bytes
from aetheria.recording.edit_lines import EditLines
from aetheria.recording.frame_index import SERIES
from aetheria.recording.growing_file import GrowingFile
from aetheria.recording.lock import WriteLock
from aetheria.recording.metadata import describe
from aetheria.recording.write_errors import disk_full, recording_error, status_of

FAILPOINTS = (
    "recording laid out",
    "recording opened",
    "recording in place",
    "edits flushed",
    "frame appended",
    "frame flushed",
    "frame counted",
    "recording closed",
)
_POLL_S = 0.2  # between checks that the writer thread is alive


class Recorder:
    """Records a motor to one HDF5 file, as a context manager around the stepping.

        with Recorder(motor, "run.h5", fields=["density"], every=10):
            motor.step(1000)

    A thread of its own writes the frames; when it falls behind, the motor waits. Other processes can read the file while it
    grows (SWMR). A frame is committed when its data is flushed and then counted: counted frames are readable, however the
    process ends. Edits (`motor.edits`) are written before the frame that follows them.

    Attributes:
        path: of the file.
        frames: number of committed frames.
    """

    def __init__(
        self,
        motor: Aetheria_Motor,
        path: str | Path,
        *,
        fields: Sequence[str] | None = None,
        every: int = 1,
        size: int | Sequence[int] | None = None,
        slice: Mapping[str, Cut] | None = None,  # noqa: A002 - the keyword of requests
        dtype: PixelType = "float32",
        levels: Mapping[str, tuple[float, float]] | None = None,
        codec: schema.Codec = "gzip",
        overwrite: bool = False,
        config: str = "",
        title: str = "",
        essential: bool = True,
        resume: ResumePoint | None = None,
        until: int | None = None,
    ) -> None:
        """
        Args:
            motor: to record, from its present step on.
            path: of the file; its folder must exist.
            fields, every, size, slice, dtype, levels: as for `Aetheria_Motor.subscribe`. Observables are stored as float64.
            codec: "gzip" (level 1, shuffle, checksums; every HDF5 library reads it), or with hdf5plugin "fast" or "compact".
            overwrite: replace an existing file.
            config: the run's full configuration as TOML, stored in the file with its hash.
            title: one line of text.
            resume: append to the existing file after this point; the motor must be in the state of then. The fields must be as
                before, `config` and `title` stay as they are in the file, and the caller repeats the edits that the file holds
                after the point, each at its step.
            until: the step at which the run will end, if known: a warning tells when the remaining frames may not fit on the
                disk, and an error when they cannot.
            essential: a failure of the recording ends the stepping too. If not, the steps go on without it, and `error` and
                `finish` tell the reason.

        Raises:
            ConfigError: the file exists, its folder is missing or not writable, or an unknown field or codec.
            RecordingError: the file to append to is another one, or has too few frames.
            DiskFullError: the frames until the end do not fit, however well they compress.
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
        self._broken = False  # HDF5 could not write, and will never be able to flush what it holds
        self._edits = EditLines(motor, resume.edits if resume else None)  # before the first frame, which counts them
        with ExitStack() as cleanup:
            cleanup.callback(self._edits.close)
            self._subscription = motor.subscribe(
                every=every, fields=fields, size=size, slice=slice or {}, delivery="lossless", dtype=dtype, levels=levels
            )
            cleanup.callback(self._subscription.close)
            self._budget = self._checked_budget(motor, codec, until, new=resume is None)
            self._lock = WriteLock(self.path)
            cleanup.callback(self._lock.release)
            try:
                if resume:
                    self._file = self._reopen(motor, resume)
                else:
                    self._file = self._create(motor, codec, {"title": title, **describe(motor, config)})
            except (OSError, RuntimeError) as error:
                raise self._recording_error(error) from error
            cleanup.pop_all()
        self._writer = threading.Thread(target=self._write_all, name=f"recorder {self.path.name}", daemon=True)
        self._writer.start()

    def finish(self, status: str = "done") -> None:
        """Writes the frames in the queue and the status of the run, and closes the file. Later calls do nothing.

        Raises:
            AetheriaError: the error that ended the writer thread.
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
                self._file.set_status(status_of(self._error) if self._error else status)
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self._broken:
            self._file.force_status(status_of(self._error) if self._error else "failed")
        self._file.abandon()
        try:
            if not self._broken:
                self._file.clear_writer_mark()
        except OSError as error:
            self._fail(error)
        reached("recording closed")
        self._lock.release()
        if self._error:
            raise self._error

    def sync(self) -> ResumePoint:
        """Waits until all frames handed over so far are committed and on the disk; returns the point to resume from.

        To be called from the thread that steps the motor, while no other thread edits.

        Raises:
            AetheriaError: the error that ended the writer thread.
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
        return ResumePoint(recording=self.id, frames=self.frames, edits=self._edits.made, edit_bytes=self._file.edit_bytes)

    @property
    def id(self) -> str:
        """Unique identifier of the recording."""
        return self._file.id

    @property
    def error(self) -> AetheriaError | None:
        """The error that ended the writer thread, and with it the recording."""
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
        request = self._subscription.request
        attributes |= {"every": self._subscription.every, "codec": codec}
        # In memory first: HDF5 crashes the process when it cannot write a new file.
        image = io.BytesIO()
        with h5py.File(image, "w", **FORMAT) as file:
            schema.create(file, request, grid=motor.shape[2:], batch=self._batch, codec=codec, attributes=attributes)
        return GrowingFile.create(self.path, image.getbuffer())

    def _checked_budget(self, motor: Aetheria_Motor, codec: schema.Codec, until: int | None, new: bool) -> DiskBudget:
        budget, request = DiskBudget(self.path, until, self._subscription.every), self._subscription.request
        freed = self.path.stat().st_size if new and self.path.exists() else 0
        # A new recording will have a frame of the present step, if it is due; a resumed one may have it already.
        budget.check_forecast(motor.step_count - new, frame_bytes(request, motor.shape), codec, freed)
        return budget

    def _reopen(self, motor: Aetheria_Motor, point: ResumePoint) -> GrowingFile:
        file = GrowingFile.reopen(self.path, point, schema.layouts(self._subscription.request, motor.shape))
        if point.frames and file.step_of(point.frames - 1) == motor.step_count:
            self._subscription.mark_seen(motor.step_count)
        self._edits.continue_after(file.edit_lines)
        return file

    def _write_all(self) -> None:
        try:
            for frame in self._subscription:
                self._commit(frame)
        except Exception as error:  # noqa: BLE001 - every error must reach the motor's thread
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
        series = frame.step * self._dt, frame.step, frame.wall_time, self._edits.lines_before(frame.edits)
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
        self._budget.check_growth(frame.step, row + 1, self._file.nbytes)

    def _write_edits(self) -> None:
        lines = self._edits.new_lines()
        if lines:
            self._check_space(len(lines))
            self._file.add_edits(lines)

    def _check_values(self, frame: Frame) -> None:
        # The written values, not only the cells: a square overflows long before the cell does.
        for name, values in frame.fields.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                if values.dtype == np.float16:
                    raise ConfigError(
                        f'[record] dtype: "{name}" leaves the range of float16, 65504, at step {frame.step}; '
                        "record float32, or uint8 with levels"
                    )
                raise DivergedError(f"{name} holds NaN or Inf at step {frame.step}; the {self.frames} frames before are good")

    def _check_space(self, nbytes: int) -> None:
        # Before writing, not after a failure: HDF5 cannot close a file that it could not write, and crashes at exit.
        if not self._budget.has_room(nbytes):
            raise disk_full(self.path, self.frames)

    def _fail(self, error: Exception) -> AetheriaError:
        self._broken = self._broken or not isinstance(error, AetheriaError)
        self._error = self._error or self._recording_error(error)
        return self._error

    def _recording_error(self, error: Exception) -> AetheriaError:
        return recording_error(error, self.path, self.frames, self._budget)
