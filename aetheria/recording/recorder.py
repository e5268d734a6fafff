"""Writes a recording while the motor runs: a writer thread behind a bounded, lossless queue."""

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from weakref import finalize

import h5py

from aetheria.core.errors import AetheriaError, RecordingError
from aetheria.core.printable import get_logger
from aetheria.files.atomic import atomic_write, check_output
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.request import Cut, PixelType
from aetheria.recording import schema
from aetheria.recording.append import FORMAT, ResumePoint
from aetheria.recording.disk_space import DiskBudget, frame_bytes
from aetheria.recording.edit_lines import EditLines
from aetheria.recording.frame_writer import FrameWriter
from aetheria.recording.growing_file import GrowingFile
from aetheria.recording.lock import WriteLock
from aetheria.recording.metadata import describe
from aetheria.recording.write_errors import recording_error, status_of

log = get_logger(__name__)
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


class Recorder:
    """Records a motor to one HDF5 file, as a context manager around the stepping.

        with Recorder(motor, "run.h5", fields=["density"], every=10):
            motor.step(1000)

    A thread of its own writes the frames; when it falls behind, the motor waits. Other processes can read the file while it
    grows (SWMR). A frame is committed when its data is flushed and then counted: counted frames are readable, however the
    process ends. Edits (`motor.edits`) are written before the frame that follows them.

    A recorder that is dropped without `finish`, or open where Python ends, is finished with the status "interrupted" and a
    warning. When its file is deleted, moved or replaced meanwhile, the motor stops within a second, and `save_as` saves the
    frames.

    Attributes:
        path: of the file.
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
        self._reported = False
        with ExitStack() as cleanup:
            edits = EditLines(motor, resume.edits if resume else None)  # before the first frame, which counts them
            cleanup.callback(edits.close)
            self._subscription = motor.subscribe(
                every=every, fields=fields, size=size, slice=slice or {}, delivery="lossless", dtype=dtype, levels=levels
            )
            cleanup.callback(self._subscription.close)
            budget = self._checked_budget(motor, codec, until, new=resume is None)
            lock = WriteLock(self.path)
            cleanup.callback(lock.release)
            try:
                if resume:
                    file = self._reopen(motor, resume, edits)
                else:
                    file = self._create(motor, codec, {"title": title, **describe(motor, config)})
            except (OSError, RuntimeError) as error:
                raise recording_error(error, self.path, resume.frames if resume else 0, budget) from error
            watch = motor._loop.edge_watch  # not the motor, which a writer thread must not keep alive
            self._writer = FrameWriter(
                *(self.path, file, lock, self._subscription, edits, budget),
                frames=resume.frames if resume else 0,
                batch=motor.shape[0],
                dt=motor.traits.dt,
                essential=essential,
                edge_step=lambda: watch.step,
            )
            self._dropped = finalize(self, _drop, self._writer)
            self._dropped.atexit = False  # the thread notices that by itself
            self._writer.start()
            cleanup.pop_all()

    def finish(self, status: str = "done") -> None:
        """Writes the frames in the queue and the status of the run, and closes the file. Later calls do nothing.

        After Ctrl-C in it, the file is closed all the same; call it again to wait for that.

        Raises:
            AetheriaError: the error that ended the writer thread.
        """
        self._writer.end(status)
        self._writer.join()
        self._dropped.detach()
        if self._writer.error and not self._reported:
            self._reported = True
            raise self._writer.error

    def sync(self) -> ResumePoint:
        """Waits until all frames handed over so far are committed and on the disk; returns the point to resume from.

        To be called from the thread that steps the motor, while no other thread edits.

        Raises:
            AetheriaError: the error that ended the writer thread.
        """
        return self._writer.sync()

    def save_as(self, path: str | Path, overwrite: bool = False) -> None:
        """Saves the recording, after its file was deleted, moved or replaced while it was written. Ends it first.

        Args:
            path: of the new file.
            overwrite: replace an existing file.

        Raises:
            RecordingError: the file is where it was; copy that. ConfigError: the new file exists, or its folder is missing.
        """
        with suppress(AetheriaError):
            self.finish()
        target, kept = Path(path), self._writer.kept
        if kept is None:
            raise RecordingError(f"{self.path}: is where it was written, or could not be kept open; copy it instead")
        check_output(target, overwrite)
        with atomic_write(target) as temporary:
            kept.save(temporary)

    @property
    def frames(self) -> int:
        """Number of committed frames."""
        return self._writer.frames

    @property
    def id(self) -> str:
        """Unique identifier of the recording."""
        return self._writer.id

    @property
    def lost(self) -> bool:
        """Whether the file was deleted, moved or replaced, and can be had by `save_as`; known after `finish`."""
        return self._writer.kept is not None

    @property
    def error(self) -> AetheriaError | None:
        """The error that ended the writer thread, and with it the recording."""
        return self._writer.error

    @property
    def waited_s(self) -> float:
        """Seconds the motor has waited for the writer."""
        return self._subscription.waited_s

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self.path}: a Recorder writes a file in a thread, and can be neither pickled nor copied")

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
            schema.create(file, request, grid=motor.shape[2:], batch=motor.shape[0], codec=codec, attributes=attributes)
        return GrowingFile.create(self.path, image.getbuffer())

    def _checked_budget(self, motor: Aetheria_Motor, codec: schema.Codec, until: int | None, new: bool) -> DiskBudget:
        budget, request = DiskBudget(self.path, until, self._subscription.every), self._subscription.request
        freed = self.path.stat().st_size if new and self.path.exists() else 0
        # A new recording will have a frame of the present step, if it is due; a resumed one may have it already.
        budget.check_forecast(motor.step_count - new, frame_bytes(request, motor.shape), codec, freed)
        return budget

    def _reopen(self, motor: Aetheria_Motor, point: ResumePoint, edits: EditLines) -> GrowingFile:
        file = GrowingFile.reopen(self.path, point, schema.layouts(self._subscription.request, motor.shape))
        if point.frames and file.step_of(point.frames - 1) == motor.step_count:
            self._subscription.mark_seen(motor.step_count)
        edits.continue_after(file.edit_lines)
        return file


def _drop(writer: FrameWriter) -> None:
    if not writer.ended:
        writer.drop()
        message = (
            f"{writer.path}: its Recorder was dropped without finish(); the recording is closed, with {writer.frames} frames"
        )
        log.warning(message)
        warnings.warn(message, ResourceWarning, stacklevel=2)
