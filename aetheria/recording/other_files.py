"""Names the kind of a file that was opened as a recording and is none, and errors for a file that HDF5 does not open."""

import errno
import os
import re
import stat
from pathlib import Path

from aetheria.core.errors import DamagedRecordingError, RecordingError, quoted
from aetheria.files.untrusted import first_line
from aetheria.recording.superblock import looks_like_hdf5

# Failures of the system, which say nothing about the file's content.
_OF_THE_SYSTEM = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE}
_KINDS = {
    ".toml": "is a config (TOML), not a recording; `aetheria run {file}` runs it",
    ".rle": "is a pattern, not a recording; `aetheria view {file}` shows it",
    ".safetensors": "is a file of weights or of a state, not a recording",
    ".vtkhdf": "is a file for ParaView, which points at a recording",
    **dict.fromkeys((".cells", ".lif", ".life", ".mc", ".mcl"), "is a pattern, not a recording"),
    **dict.fromkeys((".pt", ".pth"), "is a file of weights, not a recording"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff"), "is a picture, not a recording"),
    **dict.fromkeys((".npy", ".npz"), "is a NumPy file, not a recording"),
    ".mp4": "is a film, not a recording",
}


_WANTED = "expected a recording (.h5)"


def kind_of(path: Path) -> str:
    """The kind of a file that is no recording, in words, with the command for it where there is one."""
    known = path.suffix.lower() in _KINDS and path.is_file()
    return _KINDS[path.suffix.lower()].format(file=quoted(path)) if known else f"{_state_of(path)}; {_WANTED}"


def is_of_another_kind(path: Path) -> bool:
    """Whether a file is of a kind that no recording is, by its name and its first bytes."""
    return path.suffix.lower() in _KINDS and not looks_like_hdf5(path)


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
