"""Atomic and durable writes of whole files, and the check that a file may be written."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aetheria.core.errors import ConfigError
from aetheria.core.failpoints import reached

FAILPOINTS = ("file written", "file on disk", "file verified", "file in place", "folder on disk")  # of `durable_write`


def check_output(path: Path, overwrite: bool, make_folder: bool = False, a_folder: bool = False) -> None:
    """Raises ConfigError unless a file can be created at `path`.

    Args:
        path: to create.
        overwrite: an existing file may be replaced.
        make_folder: the parent folder may be missing, if its own parent exists.
        a_folder: `path` itself will be a folder.
    """
    folder = path.parent
    if make_folder and not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        missing = "is not a folder" if folder.exists() else "does not exist; make it, or name another"
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
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a temporary name in the folder of `path`; renames that file to `path` on success, deletes it on failure."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def durable_write(path: Path, verify: Callable[[Path], object]) -> Iterator[Path]:
    """Like `atomic_write`, and safe against a crash of the machine: the old file stays until the new one is on the disk.

    Args:
        verify: reads the new file back from the disk, and raises if its content is wrong.
    """
    with atomic_write(path) as temporary:
        yield temporary
        reached("file written")
        _sync(temporary)
        reached("file on disk")
        verify(temporary)
        reached("file verified")
    reached("file in place")
    _sync(path.parent)
    reached("folder on disk")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):  # drops the page cache, so that the next read comes from the disk
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
