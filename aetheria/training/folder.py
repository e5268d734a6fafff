"""The folder of a training's results."""

import shutil
from pathlib import Path

from aetheria.core.errors import ConfigError, StateError
from aetheria.files.atomic import check_output, remove_leftovers

_FOLDERS = ("tensorboard", "csv", "wandb", "best")
_WRITTEN = (".pt", ".safetensors", ".toml", ".png", ".csv")


def prepare_folder(folder: Path, resume: bool, overwrite: bool) -> None:
    """Makes the folder, and empties it of an earlier training unless that is resumed.

    Raises:
        StateError: there is no training to resume.
        ConfigError: the folder holds a training that is neither to be resumed nor replaced, or cannot be written.
    """
    last = folder / "last.pt"
    if resume and not last.exists():
        raise StateError(f"{last}: no such file; there is no training to resume")
    if not resume and folder.exists() and any(folder.glob("*.pt")) and not overwrite:
        raise ConfigError(f"{folder}: holds a training; --resume continues it, --overwrite replaces it")
    folder.mkdir(parents=True, exist_ok=True)
    check_output(folder / "run.toml", overwrite=True)
    remove_leftovers(folder, lambda name: name.endswith(_WRITTEN))
    if not resume:
        for old in folder.glob("*.pt"):
            old.unlink()
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
