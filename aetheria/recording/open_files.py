"""Recordings that are open for reading: each file is opened once in a process, however many readers it has."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import h5py
from h5py import h5a

from aetheria.recording.compress import stored_chunk
from aetheria.recording.hdf5.structure import check_structure
from aetheria.recording.hdf5_checksums import checksum_patches
from aetheria.recording.lock import is_being_written
from aetheria.recording.superblock import PatchedFile, closed_superblock, read_superblock

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
                with suppress(OSError, RuntimeError):  # of a damaged file; nothing is lost
                    self.file.close()


_OPEN: dict[tuple[int, int], SharedFile] = {}
_LOCK = threading.RLock()


def open_shared(path: Path) -> SharedFile:
    """The open file at `path`; each call needs one `release`.

    Raises:
        OSError, RuntimeError: it cannot be opened.
        RecordingError: it is refused by `check_structure`.
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
            with path.open("rb") as content:
                check_structure(content, path)
            return h5py.File(path, "r", libver="latest", swmr=marked and written, rdcc_nbytes=_CACHE), False
        except (OSError, RuntimeError):
            if not written or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _open_abandoned(path: Path) -> h5py.File:
    """Opens a file whose writer was killed; patches its metadata if the kill tore a block of a frame index."""
    try:
        file = _open_patched(path, closed_superblock(path))
    except (OSError, RuntimeError):
        return _open_patched(path, checksum_patches(path)[0])
    try:
        _read_metadata(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):  # a hostile file is refused later
        file.close()
        return _open_patched(path, checksum_patches(path)[0])
    return file


def _open_patched(path: Path, patches: Mapping[int, bytes]) -> h5py.File:
    content = PatchedFile(path, patches)
    try:
        check_structure(content, path)
        return h5py.File(content, "r", rdcc_nbytes=_CACHE)
    except BaseException:
        content.close()
        raise


def _read_metadata(file: h5py.File) -> None:
    """Raises h5py's errors unless every object and attribute can be opened, and every growing dataset can look up its last
    committed row; earlier ones come before it.
    """
    count = int(file["frames"][()])
    for owner in (file, *(file[name] for name in file), *(file[f"log/{name}"] for name in file["log"])):
        for index in range(h5a.get_num_attrs(owner.id)):
            h5a.open(owner.id, index=index)
        if isinstance(owner, h5py.Dataset) and owner.chunks and owner.maxshape[0] is None and 0 < count <= len(owner):
            first = (count - 1) // owner.chunks[0] * owner.chunks[0]
            stored_chunk(owner, (first, *(0,) * (owner.ndim - 1)))
