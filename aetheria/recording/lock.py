"""Write lock: one writer to a file, by a lock file beside it that the system releases when the process dies."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from aetheria.core.errors import DiskFullError, RecordingError
from aetheria.files.full_disk import is_disk_full

if sys.platform == "win32":  # without flock no writer is refused, and a growing file is read like a closed one
    LOCK_EX = LOCK_SH = LOCK_NB = 0

    def flock(descriptor: int, operation: int) -> None:
        """Grants every lock."""

else:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_TIMEOUT_S = 0.3  # `is_being_written` holds the lock for a moment


class FileInUseError(RecordingError):
    """Another writer holds the lock of the file."""


class WriteLock:
    """Held by the writer of a file, from before it exists until it is closed.

    The lock file is `.NAME.lock` beside it: the file itself may be replaced, and HDF5 locks it in its own way.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            RecordingError: another recorder writes the file, or no lock file can be made beside it. DiskFullError: no space.
        """
        self._path = _lock_file(path)
        self._descriptor: int | None = None
        self._process = os.getpid()
        deadline = time.monotonic() + _TIMEOUT_S
        while not self._acquire():
            if time.monotonic() > deadline:
                raise FileInUseError(f"{path}: is being written by another recorder; let it end, or name another file")
            time.sleep(0.02)

    def _acquire(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        except OSError as error:
            kind = DiskFullError if is_disk_full(error) else RecordingError
            raise kind(f"{self._path}: cannot be made, to lock the recording; {error.strerror}") from None
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            # Its previous holder may have deleted it between opening and locking.
            if self._is_ours(descriptor):
                self._descriptor = descriptor
                return True
        except OSError:
            pass
        os.close(descriptor)
        return False

    def _is_ours(self, descriptor: int) -> bool:
        return os.path.samestat(self._path.lstat(), os.fstat(descriptor))

    def release(self) -> None:
        """Lets others write the file; may be repeated."""
        descriptor, self._descriptor = self._descriptor, None
        # A forked process has the descriptor too, and must leave the lock to its parent.
        if descriptor is None or self._process != os.getpid():
            return
        with suppress(OSError):  # the folder is gone, or read-only by now
            if self._is_ours(descriptor):
                self._path.unlink(missing_ok=True)  # while it is held: a process that opened it meanwhile tries again
        with suppress(OSError):  # closed all the same, and the file is empty
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


def is_being_written(path: Path) -> bool:
    """Whether a process holds the write lock of a file."""
    try:
        descriptor = os.open(_lock_file(path), os.O_RDONLY | _NO_LINK)
    except OSError:
        return False
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_file(path: Path) -> Path:
    resolved = path.resolve()
    return resolved.with_name(f".{resolved.name}.lock")
