"""Recordings that are open for reading: each file is opened once in a process, however many readers it has."""

import threading
import time
from pathlib import Path

import h5py

from aetheria.core.errors import RecordingError
from aetheria.recording.hdf5_checksums import checksum_patches
from aetheria.recording.lock import is_being_written
from aetheria.recording.superblock import PatchedFile, closed_superblock, read_superblock
from aetheria.recording.validate import check_file

_CACHE = 1 << 18  # bytes of chunks cached for each dataset: enough for series; frames bypass it, and HDF5's default is 8 MiB
_TIMEOUT_S = 1.0  # for a writer that is opening or closing its file


class SharedFile:
    """An open file and its datasets, shared by all its readers in this process.

    Each dataset is opened once: when one of two handles is refreshed, HDF5 2.0 reads wrong rows through the other.

    Attributes:
        file: open for reading.
        abandoned: its writer ended without closing it.
        growing: it is or was being written, and was not closed.
        seen: committed frames when the datasets were refreshed last.
    """

    def __init__(self, path: Path, key: tuple[int, int]) -> None:
        self.file, self.abandoned = _open_file(path)
        try:
            check_file(self.file, path)
        except BaseException:
            self.file.close()
            raise
        self.seen: int | None = None
        self.growing = self.abandoned or self.file.swmr_mode
        self.readers = 0
        self._key = key
        self._datasets: dict[str, h5py.Dataset] = {}

    def dataset(self, name: str) -> h5py.Dataset:
        """The only handle to a dataset."""
        if name not in self._datasets:
            with _LOCK:
                self._datasets.setdefault(name, self.file[name])
        return self._datasets[name]

    def release(self) -> None:
        """Ends the use by one reader; the last one closes the file."""
        with _LOCK:
            self.readers -= 1
            if not self.readers:
                del _OPEN[self._key]
                self.file.close()


_OPEN: dict[tuple[int, int], SharedFile] = {}
_LOCK = threading.RLock()


def open_shared(path: Path) -> SharedFile:
    """The open file at `path`; each call needs one `release`.

    Raises:
        OSError, RuntimeError: it cannot be opened.
        RecordingError: it is refused by `validate`.
    """
    with _LOCK:
        about = path.stat()  # not by its name, under which another file may appear
        key = about.st_dev, about.st_ino
        found = _OPEN.get(key) or SharedFile(path, key)
        _OPEN[key] = found
        found.readers += 1
        return found


def _open_file(path: Path) -> tuple[h5py.File, bool]:
    """The file, in SWMR mode only while it has a writer, and whether its writer is gone without having closed it."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        written = is_being_written(path)
        found = read_superblock(path)  # after the lock: a writer closes its file before it releases the lock
        marked = found is not None and found.writing
        try:
            if found and marked and found.intact and not written:
                return _open_abandoned(path), True
            return h5py.File(path, "r", libver="latest", swmr=marked and written, rdcc_nbytes=_CACHE), False
        except (OSError, RuntimeError):
            if not written or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _open_abandoned(path: Path) -> h5py.File:
    """Opens a file whose writer was killed; patches its metadata if the kill tore a block of a frame index."""
    file = None
    try:
        file = h5py.File(PatchedFile(path, closed_superblock(path)), "r", rdcc_nbytes=_CACHE)
        check_file(file, path)
        _find_last_frame(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, RecordingError):  # a hostile file is refused again later
        if file:
            file.close()
        return h5py.File(PatchedFile(path, checksum_patches(path)[0]), "r", rdcc_nbytes=_CACHE)
    return file


def _find_last_frame(file: h5py.File) -> None:
    """Raises h5py's errors unless every growing dataset can look up its last committed row; earlier ones come before it."""
    count = int(file["frames"][()])
    for data in (*file.values(), *file["log"].values()):
        if isinstance(data, h5py.Dataset) and data.chunks and data.maxshape[0] is None and 0 < count <= len(data):
            first = (count - 1) // data.chunks[0] * data.chunks[0]
            data.id.get_chunk_info_by_coord((first, *(0,) * (data.ndim - 1)))
