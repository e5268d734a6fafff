"""The writer thread of a recording: commits frames, and closes the file, whatever becomes of the recorder and of Python."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from aetheria.core.errors import AetheriaError, ConfigError, DivergedError, RecordingError
from aetheria.core.failpoints import reached
from aetheria.core.printable import get_logger
from aetheria.observe.feed import Subscription
from aetheria.observe.frame import Frame
from aetheria.recording import checksums, schema
from aetheria.recording.append import ResumePoint
from aetheria.recording.disk_space import DiskBudget
from aetheria.recording.edit_lines import EditLines
from aetheria.recording.frame_index import SERIES
from aetheria.recording.growing_file import GrowingFile, KeptFile
from aetheria.recording.lock import WriteLock
from aetheria.recording.write_errors import disk_full, recording_error, status_of

log = get_logger(__name__)
_POLL_S = 0.2  # between checks that the file is still in its place, and Python still running


class FrameWriter:
    """Writes the frames of a subscription to a file, in a thread of its own, until it is told to end.

    It knows no recorder, so that a recorder that is dropped is noticed. The thread is no daemon: those are torn down while they
    write. It ends by itself when the rest of Python has ended.

    Attributes:
        path: of the file.
        frames: number of committed frames.
        error: that ended the writing.
        kept: the content of the file, where its name was lost while it was written.
    """

    def __init__(
        self,
        path: Path,
        file: GrowingFile,
        lock: WriteLock,
        subscription: Subscription,
        edits: EditLines,
        budget: DiskBudget,
        *,
        frames: int,
        batch: int,
        dt: float,
        essential: bool,
        edge_step: Callable[[], int | None],
    ) -> None:
        """
        Args:
            frames: in the file already.
            batch, dt: universes, and time of a step.
            essential: an error ends the stepping too.
            edge_step: gives `motor.edge_step`.
        """
        self.path, self.frames = path, frames
        self.error: AetheriaError | None = None
        self.kept: KeptFile | None = None
        self._file, self._lock, self._subscription, self._edits, self._budget = file, lock, subscription, edits, budget
        self._batch, self._dt, self._essential, self._edge_step = batch, dt, essential, edge_step
        self._broken = False  # HDF5 could not write, and will never be able to flush what it holds
        self._lost = False  # the file's name does not lead to it any more
        self._status: str | None = None
        self._asked: deque[SimpleQueue[ResumePoint | None]] = deque()
        self._process = os.getpid()
        self._thread = _WriterThread(target=self._run, name=f"recorder {path.name}", daemon=False)

    # -- for other threads -------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Of the recording."""
        return self._file.id

    @property
    def ended(self) -> bool:
        """Whether the file is closed; True in a process forked from that of the writer, which is none of its business."""
        return not self._thread.is_alive() or self._process != os.getpid()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def end(self, status: str) -> None:
        """Tells the thread to write the waiting frames and this status, and to close the file."""
        self._status = self._status or status
        self._subscription.close()
        self._subscription.wake()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the end of the thread."""
        if not self.ended:
            self._thread.join(timeout)

    def drop(self) -> None:
        """Ends for a recorder that was dropped."""
        if not self.ended:
            self.end("interrupted")
            if threading.current_thread() is not self._thread:
                self.join(_DROP_S)

    def sync(self) -> ResumePoint:
        """Waits until all frames handed over so far are committed and on the disk. Raises the error of the writer."""
        answer: SimpleQueue[ResumePoint | None] = SimpleQueue()
        self._asked.append(answer)
        self._subscription.wake()
        point = None
        while point is None and self.error is None and not self.ended:
            with suppress(Empty):
                point = answer.get(timeout=_POLL_S)
        if self.error:
            raise self.error
        if point is None:
            raise RecordingError(f"{self.path}: the recording has ended")
        return point

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._write_frames()
        except Exception as error:  # noqa: BLE001 - every error must reach the motor's thread
            self._stop_motor(self._fail(error))
        try:
            self._close()
        except Exception as error:  # noqa: BLE001 - reported by `finish`
            self._fail(error)
        finally:
            self._lock.release()

    def _write_frames(self) -> None:
        while True:
            closed = self._subscription.closed  # before the queue is read: a frame may be put just before closing
            frame = self._subscription.get(_POLL_S)
            self._check_place()
            if frame is not None:
                self._commit(frame)
            elif closed and not self._subscription.waiting:
                return
            while self._asked and not self._subscription.waiting:
                self._answer(self._asked.popleft())
            if not closed and _python_has_ended():
                self.end("interrupted")
                log.warning(
                    "%s: Python ended before Recorder.finish(); the waiting frames are written, and the recording is closed",
                    self.path,
                )

    def _answer(self, asked: "SimpleQueue[ResumePoint | None]") -> None:
        self._write_edits()
        self._write_edge_step()
        self._file.sync()
        made, nbytes = self._edits.made, self._file.edit_bytes
        asked.put(ResumePoint(recording=self.id, frames=self.frames, edits=made, edit_bytes=nbytes))

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
        self._write_edge_step()
        self._file.commit(row + 1)
        self.frames = row + 1
        self._budget.check_growth(frame.step, row + 1, self._file.nbytes)

    def _write_edits(self) -> None:
        lines = self._edits.new_lines()
        if lines:
            self._check_space(len(lines))
            self._file.add_edits(lines)

    def _write_edge_step(self) -> None:
        step = self._edge_step()
        if step is not None:
            self._file.set_edge_step(step)

    def _check_values(self, frame: Frame) -> None:
        # The written values, not only the cells: a square overflows long before the cell does.
        undefined = {field.name for field in frame.request.fields if field.undefined} if frame.request else set()
        for name, values in frame.fields.items():
            if name not in undefined and values.dtype.kind == "f" and not np.isfinite(values).all():
                if values.dtype == np.float16:
                    raise ConfigError(
                        f'[record] dtype: "{name}" leaves the range of float16, 65504, at step {frame.step}; '
                        "record float32, or uint8 with levels"
                    )
                raise DivergedError(f"{name} holds NaN or Inf at step {frame.step}; the {self.frames} frames before are good")

    def _check_space(self, nbytes: int) -> None:
        # Before writing, not after a failure: HDF5 cannot close a file that it could not write, and crashes at exit.
        if not self._lost and not self._budget.has_room(nbytes):
            raise disk_full(self.path, self.frames)

    def _check_place(self) -> None:
        """Stops the motor when the file's name is lost; what waits is still written, and can be saved under another name."""
        if not self._lost and not self._file.in_place():
            self._lost = True
            self.error = self.error or RecordingError(
                f"{self.path}: was deleted, moved or replaced while it was written, at frame {self.frames}; "
                "the frames are kept, and Recorder.save_as saves them"
            )
            self._stop_motor(self.error)

    def _stop_motor(self, error: AetheriaError) -> None:
        if self._essential:
            self._subscription.fail(error)
        else:
            self._subscription.close()

    def _close(self) -> None:
        self._edits.close()
        try:
            if not self._broken and (self.error is None or self._lost):
                self._write_edits()
                self._write_edge_step()
            if not self._broken:
                self._file.set_status(status_of(self.error) if self.error else self._status or "done")
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self._broken:
            self._file.force_status(status_of(self.error) if self.error else "failed")
        if self._lost:
            self.kept = self._file.keep()
        self._file.abandon()
        try:
            if not self._broken and not self._lost:
                self._file.clear_writer_mark()
        except OSError as error:
            self._fail(error)
        reached("recording closed")

    def _fail(self, error: Exception) -> AetheriaError:
        self._broken = self._broken or not isinstance(error, AetheriaError)
        self.error = self.error or recording_error(error, self.path, self.frames, self._budget)
        return self.error


class _WriterThread(threading.Thread):
    """A thread that ends when it alone is left."""


_DROP_S = 10.0  # most that dropping a recorder waits for its frames to be written


def _python_has_ended() -> bool:
    """Whether the program has come to its end, and only writers of recordings, and daemons, are left."""
    main = threading.main_thread()
    if main.is_alive():
        return False
    return all(thread.daemon or thread is main or isinstance(thread, _WriterThread) for thread in threading.enumerate())
