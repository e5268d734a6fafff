"""Recordings that are open for reading: each file once, however many read it."""

import threading
import time
from pathlib import Path

import h5py

from aetheria.core.errors import RecordingError
from aetheria.recording.lock import is_written
from aetheria.recording.hdf5_checksums import mended
from aetheria.recording.superblock import Patched, read_superblock, released
from aetheria.recording.validate import check_file

_CACHE = 1 << 18  # bytes of chunks kept for each dataset: enough for series; frames are read past it, and HDF5 would keep 8 MiB
_PATIENCE_S = 1.0  # for a writer that is opening or closing its file


class Handle:
    """A file and its datasets, shared by all who read it in this process.

    There is one handle to a dataset: when one of two is refreshed, HDF5 2.0 reads wrong rows through the other.

    Attributes:
        file: open for reading.
        abandoned: its writer ended without closing it.
        growing: it is or was being written, and not closed.
        seen: committed frames when the datasets were refreshed last.
    """

    def __init__(self, path: Path, key: tuple[int, int]) -> None:
        self.file, self.abandoned = _opened(path)
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
        """The one handle to a dataset."""
        if name not in self._datasets:
            with _LOCK:
                self._datasets.setdefault(name, self.file[name])
        return self._datasets[name]

    def release(self) -> None:
        """A reader needs it no longer; the last one closes it."""
        with _LOCK:
            self.readers -= 1
            if not self.readers:
                del _OPEN[self._key]
                self.file.close()


_OPEN: dict[tuple[int, int], Handle] = {}
_LOCK = threading.RLock()


def handle(path: Path) -> Handle:
    """The file at `path`, opened if nobody has it open; each call wants a `release`.

    Raises:
        OSError, RuntimeError: it cannot be opened; RecordingError when it is hostile (see `guard`).
    """
    with _LOCK:
        about = path.stat()  # not its name: under that another file may come
        key = about.st_dev, about.st_ino
        found = _OPEN.get(key) or Handle(path, key)
        _OPEN[key] = found
        found.readers += 1
        return found


def _opened(path: Path) -> tuple[h5py.File, bool]:
    """The file, and whether its writer is gone without having closed it. In single-writer mode only while there is a writer."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        written = is_written(path)
        found = read_superblock(path)  # after that: a file is closed before it is unlocked
        marked = found is not None and found.writing
        try:
            if found and marked and found.whole and not written:
                return _abandoned(path), True
            return h5py.File(path, "r", libver="latest", swmr=marked and written, rdcc_nbytes=_CACHE), False
        except (OSError, RuntimeError):
            if not written or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _abandoned(path: Path) -> h5py.File:
    """A file whose writer was killed; mended where that cut in two a block of metadata, by which frames are found."""
    file = None
    try:
        file = h5py.File(Patched(path, released(path)), "r", rdcc_nbytes=_CACHE)
        check_file(file, path)
        _find_last(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, RecordingError):  # hostile ones will be refused again
        if file:
            file.close()
        return h5py.File(Patched(path, mended(path)[0]), "r", rdcc_nbytes=_CACHE)
    return file


def _find_last(file: h5py.File) -> None:
    """Raises what h5py does unless the last committed frame is found in everything that grows: those before lie behind it."""
    count = int(file["frames"][()])
    for data in (*file.values(), *file["log"].values()):
        if isinstance(data, h5py.Dataset) and data.chunks and data.maxshape[0] is None and 0 < count <= len(data):
            first = (count - 1) // data.chunks[0] * data.chunks[0]
            data.id.get_chunk_info_by_coord((first, *(0,) * (data.ndim - 1)))
