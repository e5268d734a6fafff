"""Writes a recording while the motor runs: one writer thread behind a bounded, lossless queue."""

import datetime
import errno
import hashlib
import io
import os
import re
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import torch
from torch import nn

from aetheria.edits import to_json
from aetheria.errors import AetheriaError, ConfigError, DiskFullError, DivergedError, RecordingError
from aetheria.feed import Frame
from aetheria.files import check_output
from aetheria.moments import reached
from aetheria.motor import Aetheria_Motor
from aetheria.optimizer import PixelType
from aetheria.recording import checksums, schema
from aetheria.recording.chunks import append, write_frame
from aetheria.recording.lock import WriteLock
from aetheria.recording.reopening import FORMAT, Position, reopen
from aetheria.recording.room import Room, frame_bytes
from aetheria.recording.rows import SERIES
from aetheria.recording.superblock import release

MOMENTS = (
    "recording laid out",
    "recording in place",
    "recording opened",
    "edits flushed",
    "frame appended",
    "frame flushed",
    "frame counted",
    "recording closed",
)
_POLL_S = 0.2  # between looks whether the writer thread still lives
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEFT: list[object] = []  # what HDF5 could not close; h5py would try again, and print that it cannot


class Recorder:
    """Records a motor to one HDF5 file, as a context manager around the stepping.

        with Recorder(motor, "run.h5", fields=["density"], every=10):
            motor.step(1000)

    Frames are written by a thread of their own; when it falls behind, the motor waits. The file can be read by other
    processes while it grows (SWMR). A frame is committed when its data is flushed and then counted: whatever is counted
    is readable, however the process ends. What is changed by hand (`motor.edits`) is written before the frame that follows it.

    Attributes:
        path: of the file.
        id: of the recording; no other has it.
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
        self._edits_made = resume.edits if resume else 0
        self._edits_known = 0  # how many of those that follow are in the file already
        self._edit_checksum = 0  # of all lines of edits in the file
        self._progress = threading.Condition()
        self._batch = motor.shape[0]
        self._dt = motor.traits.dt
        self._essential = essential
        self._error: AetheriaError | None = None
        self._closed = False
        self._broken = False  # HDF5 could not write, and holds what it will never get rid of
        self._edits = motor.follow_edits(resume.edits if resume else None)  # before the first frame, which counts them
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
                self._data["status"][()] = (_ending(self._error) if self._error else status).encode()
                self._file.flush()
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self._broken:
            self._note(_ending(self._error) if self._error else "failed")
        self._leave(self._file)
        try:
            if not self._broken:
                release(self.path)
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
                os.fsync(self._file.id.get_vfd_handle())
        except (OSError, RuntimeError) as error:
            self._fail(error)
        if self._error:
            raise self._error
        edit_bytes = int(self._data["log/edit_bytes"][()])
        return Position(recording=self.id, frames=self.frames, edits=self._edits_made, edit_bytes=edit_bytes)

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
            self.finish(_ending(error))
        except AetheriaError as own:
            if own is not error:
                error.add_note(str(own))

    def _create(self, motor: Aetheria_Motor, codec: schema.Codec, attributes: dict[str, Any]) -> h5py.File:
        request, (_, _, height, width) = self._subscription.request, motor.shape
        attributes |= {"every": self._subscription.every, "codec": codec}
        # Laid out beside it: whenever the process is killed, at `path` is a whole file or none of ours.
        beside = self.path.with_name(f".{self.path.name}.new")
        # In memory first: HDF5 crashes the process when it cannot write a file out.
        image = io.BytesIO()
        with h5py.File(image, "w", **FORMAT) as file:
            schema.create(file, request, grid=(height, width), batch=self._batch, codec=codec, attributes=attributes)
        try:
            beside.write_bytes(image.getbuffer())
            reached("recording laid out")
            beside.replace(self.path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        reached("recording in place")
        try:
            file = h5py.File(self.path, "r+", **FORMAT)
            self._hold(file)
            self._start(file)
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        reached("recording opened")
        return file

    def _foreseen(self, motor: Aetheria_Motor, codec: schema.Codec, until: int | None, new: bool) -> Room:
        room, asked = Room(self.path, until, self._subscription.every), self._subscription.request
        freed = self.path.stat().st_size if new and self.path.exists() else 0
        # A new recording has a frame of the present step, if it is due; of one gone on with that may be there.
        room.foresee(motor.step_count - new, frame_bytes(asked, motor.shape), codec, freed)
        return room

    def _start(self, file: h5py.File) -> None:
        try:
            file.swmr_mode = True
        except (OSError, RuntimeError):
            self._leave(file)
            raise

    def _reopen(self, motor: Aetheria_Motor, position: Position) -> h5py.File:
        file = reopen(self.path, position, schema.layout(self._subscription.request, motor.shape))
        self._hold(file)
        if position.frames and int(file["step"][position.frames - 1]) == motor.step_count:
            self._subscription.skip(motor.step_count)
        in_file = self._data["log/edits"][:].tobytes().splitlines()
        self._edits_known = max(0, len(in_file) - position.edits)
        self._edit_checksum = (checksums.parted(in_file[-1])[1] or 0) if in_file else 0
        return file

    def _hold(self, file: h5py.File) -> None:
        # Handles are kept: closing one writes its cached chunks, and h5py only prints what goes wrong there.
        self._data: dict[str, h5py.Dataset] = {
            name: file[name] for name in (*file, "log/edits", "log/edit_bytes", "log/checksums") if name != "log"
        }
        self._deflated = {name for name, data in self._data.items() if data.compression == "gzip"}
        self.id = str(file.attrs.get("id", ""))

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
            self._append(name, row, value)
        sums: list[int] = []
        for name, values in frame.fields.items():
            stored = np.ascontiguousarray(schema.to_file(values, name, self._batch))
            self._append(name, row, stored)
            sums += checksums.of_field(stored, self._batch)
        of_fields = np.array(sums, "<u4")
        self._append("log/checksums", row, np.append(of_fields, np.uint32(checksums.of_row(row, *series, of_fields.tobytes()))))
        reached("frame appended")
        self._file.flush()
        reached("frame flushed")
        # Last: readers trust only the rows this count covers.
        self._data["frames"][()] = row + 1
        self._data["frames"].flush()
        reached("frame counted")
        with self._progress:
            self.frames = row + 1
            self._progress.notify_all()
        self._room.watch(frame.step, row + 1, os.fstat(self._file.id.get_vfd_handle()).st_size)

    def _write_edits(self) -> None:
        edits = self._edits.take()
        self._edits_made += len(edits)
        known = min(self._edits_known, len(edits))
        self._edits_known -= known
        lines = b""
        for edit in edits[known:]:
            line = to_json(edit).encode()
            self._edit_checksum = checksums.of_edit(line, self._edit_checksum)
            lines += checksums.with_checksum(line, self._edit_checksum)
        if not lines:
            return
        self._check_space(len(lines))
        data, first = self._data["log/edits"], len(self._data["log/edits"])
        data.resize(first + len(lines), 0)
        data[first:] = np.frombuffer(lines, np.uint8)
        self._file.flush()
        reached("edits flushed")
        self._data["log/edit_bytes"][()] = first + len(lines)
        self._data["log/edit_bytes"].flush()

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
            raise self._disk_full()

    def _append(self, name: str, row: int, values: Any) -> None:
        write = write_frame if name in self._deflated else append
        write(self._data[name], row, values)

    def _fail(self, error: Exception) -> AetheriaError:
        self._broken = self._broken or not isinstance(error, AetheriaError)
        self._error = self._error or self._named(error)
        return self._error

    def _note(self, ending: str) -> None:
        # Past HDF5, which no longer writes; where it stands there is room.
        with suppress(OSError, RuntimeError, ValueError):
            offset = self._data["status"].id.get_offset()
            os.pwrite(self._file.id.get_vfd_handle(), ending.encode().ljust(16, b"\0"), offset)

    def _leave(self, file: h5py.File) -> None:
        """Leaves a file as it is, as if the process had been killed.

        HDF5 cannot close a file that it cannot write, and crashes at exit: what it still writes goes to a file of no name.
        """
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), file.id.get_vfd_handle())
        try:
            file.close()
        except (OSError, RuntimeError):
            _LEFT.append((file, self._data))

    def _named(self, error: Exception) -> AetheriaError:
        if isinstance(error, AetheriaError):
            return error
        if any(f"errno = {number}" in str(error) for number in _FULL):
            return self._disk_full()
        # HDF5 may report a full disk without saying so.
        if self.path.parent.is_dir() and not self._room.takes(0):
            return self._disk_full()
        return RecordingError(f"{self.path}: cannot be written after {self.frames} frames; {_plain(error)}")

    def _disk_full(self) -> DiskFullError:
        return DiskFullError(f"{self.path}: the disk is full; {self.frames} frames are kept and readable")


def _plain(error: Exception) -> str:
    """What the system said, without what HDF5 makes of it."""
    said = re.search(r"error message = '([^']*)'", str(error))
    return said[1] if said else str(error)


def _ending(error: BaseException) -> str:
    """The status that a run which ended with this error has."""
    known = {DiskFullError: "disk full", DivergedError: "diverged", KeyboardInterrupt: "interrupted"}
    return next((status for kind, status in known.items() if isinstance(error, kind)), "failed")


def describe(motor: Aetheria_Motor, config: str) -> dict[str, Any]:
    """A file's attributes: what was run, on what, with which versions."""
    device = torch.cuda.get_device_name(motor.device) if motor.device.type == "cuda" else "CPU"
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex,
        "law": motor.traits.name,
        "weights_sha256": weights_hash(motor.law),
        "seed": motor.seed,
        "first_step": motor.step_count,
        "grid": motor.shape[2:],
        "channels": motor.shape[1],
        "universes": motor.shape[0],
        "dt": motor.traits.dt,
        "precision": motor.config.precision,
        "plan": motor.plan.name if motor.plan else "",
        "deterministic": motor.config.deterministic,
        "device": str(motor.device),
        "device_name": device,
        "config": config,
        "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
        **schema.versions(),
    }


def weights_hash(law: nn.Module) -> str:
    """SHA-256 over the names, shapes, types and bytes of a law's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(law.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
