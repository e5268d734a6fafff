"""How recordings end: what stopped one, in words for people and as the status in the file."""

import errno
import re
from pathlib import Path

from aetheria.core.errors import AetheriaError, DiskFullError, DivergedError, RecordingError
from aetheria.recording.disk_space import DiskBudget

_FULL = (errno.ENOSPC, errno.EDQUOT)


def status_of(error: BaseException) -> str:
    """The status that a run which ended with this error has."""
    known = {DiskFullError: "disk full", DivergedError: "diverged", KeyboardInterrupt: "interrupted"}
    return next((status for kind, status in known.items() if isinstance(error, kind)), "failed")


def named(error: Exception, path: Path, frames: int, room: DiskBudget) -> AetheriaError:
    """What went wrong, of whatever was raised while a recording with so many committed frames was written."""
    if isinstance(error, AetheriaError):
        return error
    # HDF5 may report a full disk without saying so.
    if any(f"errno = {number}" in str(error) for number in _FULL) or (path.parent.is_dir() and not room.takes(0)):
        return disk_full(path, frames)
    if "unable to lock file" in str(error):
        return RecordingError(f"{path}: is open in another program, as a finished recording; close it there")
    return RecordingError(f"{path}: cannot be written after {frames} frames; {_plain(error)}")


def disk_full(path: Path, frames: int) -> DiskFullError:
    """There is no room for another frame."""
    return DiskFullError(f"{path}: the disk is full; {frames} frames are kept and readable")


def _plain(error: Exception) -> str:
    """What the system said, without what HDF5 makes of it."""
    said = re.search(r"error message = '([^']*)'", str(error))
    return said[1] if said else str(error)
