"""Atomic and durable writes of whole files, and the check that a file may be written."""

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from aetheria.core.errors import AetheriaError, ConfigError, DiskFullError
from aetheria.core.failpoints import reached
from aetheria.files.full_disk import is_disk_full

_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.(?P<process>\d+)(-[0-9a-f]+)?(?P<suffix>(\.[^.]*)?)")  # see `temporary_name`
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
    try:
        new_file(folder / f"{path.name}.writable").unlink()
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(f"{path}: the disk is full; {error.strerror}") from None
        raise ConfigError(f"{path}: the folder {folder} cannot be written to; {error.strerror}") from None


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives an empty file in the folder of `path`; renames it to `path` on success, deletes it on failure.

    Raises:
        DiskFullError: no space is left. OSError: another error of the disk, or of the folder.
    """
    with telling_full_disk(path):
        temporary = new_file(path)
        try:
            yield temporary
            put_in_place(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def telling_full_disk(path: Path) -> Iterator[None]:
    """Raises DiskFullError, with the name of the file that was to be written, for whatever a full disk raises in the block."""
    try:
        yield
    except AetheriaError:
        raise
    except Exception as error:
        if is_disk_full(error):
            full = DiskFullError(f"{path}: the disk is full; the file was not written")
            full.errno = errno.ENOSPC
            raise full from error
        raise


def new_file(path: Path) -> Path:
    """Creates an empty file in the folder of `path`, to be written and then put into its place; returns its name.

    The name is random, and the file is new: whoever may write to the folder, no link of theirs is followed. It may be read by
    those who may read the file that it will replace. Such files of killed processes are deleted.
    """
    remove_leftovers(path.parent, path.name.__eq__)
    temporary = temporary_name(path)
    # `exist_ok=False` opens with O_EXCL: neither an existing file nor a link is opened.
    temporary.touch(0o666 if _mode_of(path) is None else 0o600, exist_ok=False)
    return temporary


def put_in_place(temporary: Path, path: Path) -> None:
    """Renames a file that `new_file` made to `path`; it keeps the mode of the file that it replaces."""
    mode = _mode_of(path)
    if mode is not None:
        temporary.chmod(mode)
    temporary.replace(path)


def temporary_name(path: Path) -> Path:
    """A name in the folder of `path` that nobody can know before, and that tells the process."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(8)}{path.suffix}")


def leftovers(folder: Path, of: Callable[[str], bool]) -> list[Path]:
    """Unfinished files, and folders, whose process is gone.

    Args:
        folder: that they are in.
        of: whether one is wanted, by the name of the file that was being written.
    """
    found = []
    with suppress(OSError):  # a folder that cannot be listed
        for path in folder.iterdir():
            match = _TEMPORARY.fullmatch(path.name)
            if match and of(match["stem"] + match["suffix"]) and _left_behind(path, int(match["process"])):
                found.append(path)
    return found


def remove_leftovers(folder: Path, of: Callable[[str], bool]) -> None:
    """Deletes `leftovers`."""
    for path in leftovers(folder, of):
        _delete(path)


def _delete(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _left_behind(path: Path, process: int) -> bool:
    """Whether the process that made a file has ended; another one may have its number by now."""
    try:
        return psutil.Process(process).create_time() > path.lstat().st_mtime + 1
    except psutil.NoSuchProcess:
        return True
    except (OSError, psutil.Error):
        return False


def _mode_of(path: Path) -> int | None:
    """The mode of a file; None if there is none, or something else."""
    try:
        about = path.lstat()
    except OSError:
        return None
    return stat.S_IMODE(about.st_mode) & 0o777 if stat.S_ISREG(about.st_mode) else None


@contextmanager
def durable_write(path: Path, verify: Callable[[Path], object]) -> Iterator[Path]:
    """Like `atomic_write`, and safe against a crash of the machine: the old file stays until the new one is on the disk.

    Args:
        verify: reads the new file back from the disk, and raises if its content is wrong.
    """
    with telling_full_disk(path):
        with atomic_write(path) as temporary:
            yield temporary
            reached("file written")
            sync(temporary)
            reached("file on disk")
            verify(temporary)
            reached("file verified")
        reached("file in place")
        sync(path.parent)
        reached("folder on disk")


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):  # drops the page cache, so that the next read comes from the disk
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
