"""The state of a training on disk: whole or not at all, and never the worse for a full disk."""

import errno
from pathlib import Path
from typing import Any

import torch

from aetheria.core.errors import DiskFullError, FileUnreadableError, StateError
from aetheria.files.atomic import durable_write


def save(state: dict[str, Any], path: Path) -> None:
    """Writes a state beside `path`, on the disk, and puts it in its place; on any failure what was there stays.

    Raises:
        DiskFullError: no space is left; the state before is kept.
    """
    try:
        with durable_write(path, _read) as beside:
            torch.save(state, beside)
    except (OSError, RuntimeError) as error:
        # torch's writer reports a full disk as a RuntimeError that does not say so.
        if isinstance(error, RuntimeError) or error.errno == errno.ENOSPC:
            raise DiskFullError(f"{path}: cannot be written, the disk may be full; the one before is kept ({error})") from error
        raise


def load(path: Path, config: str) -> dict[str, Any]:
    """A state that `save` wrote, on the CPU, for a training of the same config.

    Raises:
        FileUnreadableError: missing or torn. StateError: of another config.
    """
    if not path.is_file():
        raise FileUnreadableError(f"{path}: no such file; there is no training to resume")
    try:
        state = _read(path)
    except Exception as error:  # a torn file makes the unpickler fail in any way
        raise FileUnreadableError(f"{path}: cannot be read; {error}") from error
    if state.get("config") != config:
        raise StateError(f"{path}: is of a training with other settings; resume it with its own config, or train anew")
    return state


def _read(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
