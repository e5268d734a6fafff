"""Names the kind of a file that was opened as a recording and is none, and errors for a file that HDF5 does not open."""

import errno
import os
import re
import stat
from pathlib import Path

from aetheria.core.errors import DamagedRecordingError, RecordingError
from aetheria.files.recognise import FileKind, recognised
from aetheria.files.untrusted import first_line
from aetheria.recording.superblock import looks_like_hdf5

# Failures of the system, which say nothing about the file's content.
_OF_THE_SYSTEM = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE}
_WANTED = "a recording (.h5)"
_RECORDINGS = (".h5", ".hdf5")
_BY_TEXT = ("config", "pattern", "rule file", "web page")


def kind_of(path: Path) -> str:
    """The kind of a file that is no recording, in words, with its use."""
    kind = _other_kind(path)
    return kind.instead_of(_WANTED) if kind else f"{_state_of(path)}; expected {_WANTED}"


def is_of_another_kind(path: Path) -> bool:
    """Whether a file is of a kind that no recording is, by its name and its first bytes."""
    return _other_kind(path) is not None


def _other_kind(path: Path) -> FileKind | None:
    kind = recognised(path)
    # A damaged recording may begin with anything, also with the config that it holds.
    if kind is None or kind.key == "recording" or (kind.key in _BY_TEXT and path.suffix.lower() in _RECORDINGS):
        return None
    return kind


def _state_of(path: Path) -> str:
    try:
        about = path.stat()
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:  # ValueError: a name with a null in it
        return f"cannot be read ({error})"
    if stat.S_ISDIR(about.st_mode):
        return "is a Zarr store, not a recording" if (path / "zarr.json").is_file() else "is a folder"
    if not stat.S_ISREG(about.st_mode):
        return "is a device or a pipe"
    if not about.st_size:
        return "is empty"
    return "is no HDF5 file"


def reason(error: Exception) -> str:
    """The reason in an error of h5py, without the name of the call that failed."""
    return re.sub(r"^(?:Unable to|Can't) (?:synchronously )?[\w ]+ \((.*)\)$", r"\1", first_line(error))


def not_opened(path: Path, error: Exception) -> RecordingError:
    """The error for a file that HDF5 did not open; it is called damaged only if its content is."""
    number = getattr(error, "errno", None)
    if number in _OF_THE_SYSTEM:
        return RecordingError(f"{path}: cannot be opened; {os.strerror(number)}")
    if looks_like_hdf5(path):
        return DamagedRecordingError(path, "cannot be read as HDF5")
    return RecordingError(f"{path}: {kind_of(path)}")
