"""Maps exceptions raised while writing to recording errors and to the status in the file."""

import re
from pathlib import Path

from aetheria.core.errors import AetheriaError, DiskFullError, DivergedError, RecordingError
from aetheria.files.full_disk import is_disk_full
from aetheria.recording.disk_space import DiskBudget


def status_of(error: BaseException) -> str:
    """The status of a run that ended with this exception."""
    known = {DiskFullError: "disk full", DivergedError: "diverged", KeyboardInterrupt: "interrupted"}
    return next((status for kind, status in known.items() if isinstance(error, kind)), "failed")


def recording_error(error: Exception, path: Path, frames: int, budget: DiskBudget) -> AetheriaError:
    """The error to raise for an exception that ended the writing of a recording with `frames` committed frames."""
    if isinstance(error, AetheriaError):
        return error
    # HDF5 does not always report a full disk as such.
    if is_disk_full(error) or (path.parent.is_dir() and not budget.has_room(0)):
        return disk_full(path, frames)
    if "unable to lock file" in str(error):
        return RecordingError(f"{path}: is open in another program, as a finished recording; close it there")
    return RecordingError(f"{path}: cannot be written after {frames} frames; {_system_message(error)}")


def disk_full(path: Path, frames: int) -> DiskFullError:
    """The error for a disk without room for another frame."""
    return DiskFullError(f"{path}: the disk is full; {frames} frames are kept and readable")


def _system_message(error: Exception) -> str:
    """The operating system's message inside HDF5's."""
    found = re.search(r"error message = '([^']*)'", str(error))
    return found[1] if found else str(error)
