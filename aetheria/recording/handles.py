"""Recordings that are open for reading: each file once, however many read it."""

import threading
from pathlib import Path

import h5py

from aetheria.recording.superblock import read_superblock


class Handle:
    """A file and its datasets, shared by all who read it in this process.

    There is one handle to a dataset: when one of two is refreshed, HDF5 2.0 reads wrong rows through the other.

    Attributes:
        file: open for reading.
        seen: committed frames when the datasets were refreshed last.
    """

    def __init__(self, path: Path, key: tuple[int, int]) -> None:
        self.file = h5py.File(path, "r", libver="latest", swmr=unfinished(path))
        self.seen = -1
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
        OSError, RuntimeError: it cannot be opened.
    """
    with _LOCK:
        about = path.stat()  # not its name: under that another file may come
        key = about.st_dev, about.st_ino
        found = _OPEN.get(key) or Handle(path, key)
        _OPEN[key] = found
        found.readers += 1
        return found


def unfinished(path: Path) -> bool:
    """Whether a file says that it is being written; one whose writer was killed says so for ever.

    It opens in single-writer mode only. Others are not opened so: there HDF5 takes damage for what the writer has yet to
    finish, and looks again and again, with its lock held and twice as long a pause each time, for longer than anybody lives.
    """
    found = read_superblock(path)
    return found is not None and found.writing
