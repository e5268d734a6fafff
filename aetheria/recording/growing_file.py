"""The HDF5 file of a recording while it is written."""

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from aetheria.core.failpoints import reached
from aetheria.recording.append import FORMAT, Position, reopen
from aetheria.recording.compress import append, write_frame
from aetheria.recording.superblock import release

_LEFT: list[object] = []  # what HDF5 could not close; h5py would try again, and print that it cannot


class GrowingFile:
    """A recording that others may read while rows are added to it. Readers trust only the rows and edits that are counted.

    All methods raise what HDF5 does, `OSError` or `RuntimeError`, when the file cannot be written; from then on only `note` and
    `leave` are of use.

    Attributes:
        id: of the recording.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path = path
        self._file = file
        # Handles are kept: closing one writes its cached chunks, and h5py only prints what goes wrong there.
        self._data: dict[str, h5py.Dataset] = {
            name: file[name] for name in (*file, "log/edits", "log/edit_bytes", "log/checksums") if name != "log"
        }
        self._deflated = {name for name, data in self._data.items() if data.compression == "gzip"}
        self.id = str(file.attrs.get("id", ""))

    @classmethod
    def create(cls, path: Path, image: bytes | memoryview) -> Self:
        """A new file, laid out as `image`: an HDF5 file with no rows yet."""
        # Laid out and opened beside it: whenever the process is killed, at `path` is a whole file or none of ours, and a reader
        # that finds it there finds it as it grows; one who opened it before its writer would lock it.
        beside, made = path.with_name(f".{path.name}.new"), None
        try:
            beside.write_bytes(image)
            reached("recording laid out")
            if sys.platform == "win32":  # where a file that is open keeps its name
                beside = beside.replace(path)
            made = cls(path, h5py.File(beside, "r+", **FORMAT))
            made._file.swmr_mode = True
            reached("recording opened")
            if beside != path:
                beside.replace(path)
        except BaseException:
            if made is not None:
                made.leave()
            beside.unlink(missing_ok=True)
            raise
        reached("recording in place")
        return made

    @classmethod
    def reopen(cls, path: Path, position: Position, wanted: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> Self:
        """Goes on with the file that is there; see `reopening.reopen`."""
        return cls(path, reopen(path, position, wanted))

    def append(self, name: str, row: int, values: Any) -> None:
        """Adds what a dataset holds of a row."""
        write = write_frame if name in self._deflated else append
        write(self._data[name], row, values)

    def commit(self, frames: int) -> None:
        """Flushes what was appended, then counts it."""
        reached("frame appended")
        self._file.flush()
        reached("frame flushed")
        self._data["frames"][()] = frames
        self._data["frames"].flush()
        reached("frame counted")

    def add_edits(self, lines: bytes) -> None:
        """Adds lines to the log of edits, and counts them."""
        data, first = self._data["log/edits"], len(self._data["log/edits"])
        data.resize(first + len(lines), 0)
        data[first:] = np.frombuffer(lines, np.uint8)
        self._file.flush()
        reached("edits flushed")
        self._data["log/edit_bytes"][()] = first + len(lines)
        self._data["log/edit_bytes"].flush()

    @property
    def edit_lines(self) -> list[bytes]:
        """The log of edits."""
        return list(self._data["log/edits"][:].tobytes().splitlines())

    @property
    def edit_bytes(self) -> int:
        """Counted bytes of the log of edits."""
        return int(self._data["log/edit_bytes"][()])

    @property
    def nbytes(self) -> int:
        """Its size."""
        return os.fstat(self._descriptor).st_size

    def step_of(self, row: int) -> int:
        """The step of a frame."""
        return int(self._data["step"][row])

    def sync(self) -> None:
        """Has the system write everything to the disk."""
        os.fsync(self._descriptor)

    def end(self, status: str) -> None:
        """Writes how the run ended."""
        self._data["status"][()] = status.encode()
        self._file.flush()

    def note(self, ending: str) -> None:
        """Writes how the run ended, past HDF5, which no longer writes; where it stands there is room."""
        with suppress(OSError, RuntimeError, ValueError):
            offset = self._data["status"].id.get_offset()
            os.pwrite(self._descriptor, ending.encode().ljust(16, b"\0"), offset)

    def leave(self) -> None:
        """Leaves it as it is, as if the process had been killed.

        HDF5 cannot close a file that it cannot write, and crashes at exit: what it still writes goes to a file of no name.
        """
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), self._descriptor)
        try:
            self._file.close()
        except (OSError, RuntimeError):
            _LEFT.append((self._file, self._data))

    def release(self) -> None:
        """Of one that was left whole: nobody writes it any more."""
        release(self._path)

    @property
    def _descriptor(self) -> int:
        return int(self._file.id.get_vfd_handle())
