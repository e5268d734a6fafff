"""The HDF5 file of a recording while it is written, in HDF5's single-writer, multiple-reader mode (SWMR)."""

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

import h5py
import numpy as np

from aetheria.core.failpoints import reached
from aetheria.files.atomic import new_file, put_in_place
from aetheria.recording.append import FORMAT, ResumePoint, open_to_append
from aetheria.recording.compress import append_compressed_row, append_row
from aetheria.recording.schema import FieldLayout
from aetheria.recording.superblock import clear_writer_mark

_PIECE = 1 << 20  # bytes that are copied at a time
_UNCLOSED: list[object] = []  # files that HDF5 could not close; if they were freed, h5py would try again and print errors


class GrowingFile:
    """A recording that others may read while rows are added to it. Readers trust only the rows and edits that are counted.

    All methods raise HDF5's `OSError` or `RuntimeError` when the file cannot be written; after that only `force_status` and
    `abandon` may be called.

    Attributes:
        id: of the recording.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path = path
        self._file = file
        # Kept open: closing a dataset writes its cached chunks, and h5py only prints what goes wrong there.
        self._data: dict[str, h5py.Dataset] = {
            name: file[name]
            for name in (*file, "log/edits", "log/edit_bytes", "log/checksums", "log/edge_step")
            if name != "log" and name in file  # older files have no edge_step
        }
        self._deflated = {name for name, data in self._data.items() if data.compression == "gzip"}
        self.id = str(file.attrs.get("id", ""))
        # Opened now: at the end there may be no free descriptor, and no folder for temporary files.
        self._unnamed = _unnamed_file(path.parent)
        self._as_is = True
        _OPEN.add(self)

    @classmethod
    def create(cls, path: Path, image: bytes | memoryview) -> Self:
        """Creates a file with the content `image`: an HDF5 file without rows."""
        # Written and opened under a temporary name: whenever the process is killed, `path` is a whole file or absent, and a
        # reader finds it in SWMR mode; a reader that opened it before its writer would lock it.
        temporary, made = new_file(path), None
        try:
            temporary.write_bytes(image)
            reached("recording laid out")
            if sys.platform == "win32":  # an open file cannot be renamed
                temporary = temporary.replace(path)
            made = cls(path, h5py.File(temporary, "r+", **FORMAT))
            made._file.swmr_mode = True
            reached("recording opened")
            if temporary != path:
                put_in_place(temporary, path)
        except BaseException:
            if made is not None:
                made.abandon()
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        reached("recording in place")
        return made

    @classmethod
    def reopen(cls, path: Path, point: ResumePoint, wanted: Mapping[str, FieldLayout]) -> Self:
        """Opens an existing recording to append to it; see `append.open_to_append`."""
        return cls(path, open_to_append(path, point, wanted))

    def append(self, name: str, row: int, values: Any) -> None:
        """Appends a row to a dataset."""
        write = append_compressed_row if name in self._deflated else append_row
        write(self._data[name], row, values)

    def commit(self, frames: int) -> None:
        """Flushes the appended rows, then counts them: the file has `frames` frames from then on."""
        reached("frame appended")
        self._file.flush()
        reached("frame flushed")
        self._data["frames"][()] = frames
        self._data["frames"].flush()
        reached("frame counted")

    def add_edits(self, lines: bytes) -> None:
        """Appends lines to the edit log, and counts them."""
        data, first = self._data["log/edits"], len(self._data["log/edits"])
        data.resize(first + len(lines), 0)
        data[first:] = np.frombuffer(lines, np.uint8)
        self._file.flush()
        reached("edits flushed")
        self._data["log/edit_bytes"][()] = first + len(lines)
        self._data["log/edit_bytes"].flush()

    def set_edge_step(self, step: int) -> None:
        """Writes the number of steps by which live cells were found at an edge of the grid; the first one stays."""
        data = self._data.get("log/edge_step")
        if data is not None and data[()] < 0:
            data[()] = step
            data.flush()

    @property
    def edit_lines(self) -> list[bytes]:
        """The lines of the edit log."""
        return list(self._data["log/edits"][:].tobytes().splitlines())

    @property
    def edit_bytes(self) -> int:
        """Counted bytes of the edit log."""
        return int(self._data["log/edit_bytes"][()])

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return os.fstat(self._descriptor).st_size

    def step_of(self, row: int) -> int:
        """The step of a frame."""
        return int(self._data["step"][row])

    def sync(self) -> None:
        """Makes the operating system write everything to the disk."""
        os.fsync(self._descriptor)

    def set_status(self, status: str) -> None:
        """Writes how the run ended."""
        self._data["status"][()] = status.encode()
        self._file.flush()

    def force_status(self, status: str) -> None:
        """Overwrites the status in place without HDF5, which writes no more after an error."""
        with suppress(OSError, RuntimeError, ValueError):
            offset = self._data["status"].id.get_offset()
            os.pwrite(self._descriptor, status.encode().ljust(16, b"\0"), offset)

    def in_place(self) -> bool:
        """Whether the file is still what its name stands for: not deleted, moved or replaced."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def keep(self) -> "KeptFile | None":
        """The content of the file, whatever becomes of its name; None without a free descriptor."""
        try:
            return KeptFile(os.dup(self._descriptor))
        except OSError:
            return None

    def abandon(self) -> None:
        """Closes the file and leaves its content as it is, as if the process had been killed.

        HDF5 cannot close a file that it cannot write, and crashes at exit: its last writes are sent to an unnamed file. Where
        the system refuses that, by a limit on descriptors, HDF5 closes the file in its own way.
        """
        self._as_is = self._redirect()
        _OPEN.discard(self)
        os.close(self._unnamed)
        try:
            self._file.close()
        except (OSError, RuntimeError):
            _UNCLOSED.append((self._file, self._data))

    def _redirect(self) -> bool:
        try:
            os.dup2(self._unnamed, self._descriptor)
        except OSError:
            return False
        return True

    def clear_writer_mark(self) -> None:
        """Marks an abandoned file whose content is complete as closed."""
        if self._as_is:
            clear_writer_mark(self._path)

    @property
    def _descriptor(self) -> int:
        return int(self._file.id.get_vfd_handle())


class KeptFile:
    """A recording that was written to its end, and has no name."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def save(self, path: Path) -> None:
        """Writes it to a file, which is then closed as any recording. Raises OSError."""
        with path.open("wb") as file:
            while piece := os.pread(self._descriptor, _PIECE, file.tell()):
                file.write(piece)
        clear_writer_mark(path)

    def __del__(self) -> None:
        os.close(self._descriptor)


_OPEN: WeakSet[GrowingFile] = WeakSet()


def _forked() -> None:
    """Keeps a forked process from writing into the files of its parent when it ends."""
    for file in _OPEN:
        file._redirect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _unnamed_file(folder: Path) -> int:
    """A descriptor of an empty file without a name: in memory, or in a folder that can be written to."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("aetheria", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())
