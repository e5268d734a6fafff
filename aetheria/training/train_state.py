"""Checkpoints of a training on disk: replaced only by a complete new file, also when the disk is full."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aetheria.core.errors import DiskFullError, FileUnreadableError, RecordingError, StateError
from aetheria.files.atomic import durable_write
from aetheria.files.checked_tensors import read_archive


def save(state: dict[str, Any], path: Path) -> None:
    """Writes a state to a temporary file and renames it to `path`; on any failure the old file stays.

    Raises:
        DiskFullError: no space is left. RecordingError: another error of the disk.
    """
    try:
        with durable_write(path, _read) as temporary:
            _save(state, temporary)
    except DiskFullError as error:
        why = error.__cause__
        raise DiskFullError(f"{path}: cannot be written, the disk may be full; the old file is kept ({why})") from error
    except (OSError, RuntimeError) as error:
        raise RecordingError(f"{path}: cannot be written; the old file is kept ({error})") from error


def _save(state: dict[str, Any], path: Path) -> None:
    try:
        torch.save(state, path)
    except RuntimeError:  # torch's writer does not say why it failed: a file of Python does
        held = io.BytesIO()
        torch.save(state, held)
        path.write_bytes(held.getbuffer())


def load(path: Path, config: str, completed: Callable[[str], str] = str) -> dict[str, Any]:
    """Reads a state that `save` wrote, to the CPU, for a training with the same config.

    Args:
        completed: fills in the settings that the saved config, of an earlier version, did not have.

    Raises:
        FileUnreadableError: missing or damaged. StateError: of another config.
    """
    if not path.is_file():
        raise FileUnreadableError(f"{path}: no such file; there is no training to resume")
    state = _read(path)
    saved = state.get("config")
    if saved != config and (not isinstance(saved, str) or completed(saved) != config):
        raise StateError(
            f"{path}: is of a training with other settings; resume it with its own config, or start a new training"
        )
    return state


def _read(path: Path) -> dict[str, Any]:
    state = read_archive(path, "the state of a training")
    if not isinstance(state, dict):
        raise FileUnreadableError(f"{path}: cannot be read as the state of a training; it holds a {type(state).__name__}")
    return state
