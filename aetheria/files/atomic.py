"""Writing files: asked before, whole or not at all, and there to stay where that is wanted."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aetheria.core.errors import ConfigError
from aetheria.core.failpoints import reached

LASTING = ("file written", "file on disk", "file verified", "file in place", "folder on disk")  # moments of `lasting`


def check_output(path: Path, overwrite: bool, make_folder: bool = False, a_folder: bool = False) -> None:
    """Raises ConfigError unless a file may be created at `path`, or with `a_folder` a folder.

    With `make_folder` the folder that it is to be in may still be missing.
    """
    folder = path.parent
    if make_folder and not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        missing = "is no folder" if folder.exists() else "does not exist; make it, or name another"
        raise ConfigError(f"{path}: the folder {folder} {missing}")
    if path.is_dir() and not a_folder:
        raise ConfigError(f"{path}: is a folder; expected the name of a file")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: exists; use --overwrite (overwrite=True) to replace it, or name another file")
    probe = folder / f".{path.name}.{os.getpid()}.writable"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{path}: the folder {folder} cannot be written to; {error.strerror}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; on success the file takes the place of `path`, on any failure it is gone."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def lasting(path: Path, verify: Callable[[Path], object]) -> Iterator[Path]:
    """Like `replacing`, and the file outlasts a crash of the machine: until the new one is on the disk, the old one stays.

    Args:
        verify: reads what was written from the disk, and raises if it is not as it should be.
    """
    with replacing(path) as beside:
        yield beside
        reached("file written")
        _to_disk(beside)
        reached("file on disk")
        verify(beside)
        reached("file verified")
    reached("file in place")
    _to_disk(path.parent)
    reached("folder on disk")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):  # what is read next comes from the disk, not from memory
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
