"""One writer to a file: a lock beside it, which the system takes away from a process that dies."""

import os
import sys
import time
from pathlib import Path

from aetheria.core.errors import RecordingError

if sys.platform == "win32":  # without flock nobody is refused, and a file that is being written is read as it is
    LOCK_EX = LOCK_SH = LOCK_NB = 0

    def flock(descriptor: int, operation: int) -> None:
        """Grants everything."""

else:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock

_PATIENCE_S = 0.3  # a reader that asks whether the file is being written holds the lock for a moment


class WriteLock:
    """Held by whoever writes a file, from before it is there until it is closed. Beside it, as `.NAME.lock`: the file itself
    may be replaced, and HDF5 locks it in its own way."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            RecordingError: somebody else writes the file, or no lock can be made beside it.
        """
        self._path = _beside(path)
        deadline = time.monotonic() + _PATIENCE_S
        while not self._take():
            if time.monotonic() > deadline:
                raise RecordingError(f"{path}: is being written by another recorder; let it end, or name another file")
            time.sleep(0.02)

    def _take(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be made, to lock the recording; {error.strerror}") from None
        try:
            flock(self._descriptor, LOCK_EX | LOCK_NB)
            # It may have been taken away between opening and locking it, when its holder was done.
            if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                return True
        except OSError:
            pass
        os.close(self._descriptor)
        return False

    def release(self) -> None:
        """Lets others write the file."""
        self._path.unlink(missing_ok=True)  # while it is held: whoever opened it looks again
        os.close(self._descriptor)


def is_written(path: Path) -> bool:
    """Whether somebody writes a file now."""
    try:
        descriptor = os.open(_beside(path), os.O_RDONLY)
    except OSError:
        return False
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _beside(path: Path) -> Path:
    whole = path.resolve()
    return whole.with_name(f".{whole.name}.lock")
