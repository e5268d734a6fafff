"""The state of a run in one file: cells, memory, step and seed as safetensors, with a description in JSON; no pickle.

Whatever reads safetensors reads it: "cells" `(B, C, H, W)`, "memory_0", "memory_1" ..., and under the key "aetheria_state" of
the metadata what they are of.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import Field as Setting
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aetheria import __version__
from aetheria.cells import finite
from aetheria.errors import DiskFullError, DivergedError, FileUnreadableError, RecordingError, StateError
from aetheria.files import replacing
from aetheria.motor import Aetheria_Motor
from aetheria.settings import Settings

VERSION = 1
_KEY = "aetheria_state"


class Description(Settings):
    """What a state is of.

    Attributes:
        version: of this form.
        law: name of its class.
        shape: (B, C, H, W).
        step, seed: as for `Aetheria_Motor.state_dict`.
        precision: that it was stepped in.
        config: the run's configuration as TOML; empty when it was not run from one.
        made_by: the version of Aetheria.
    """

    version: int
    law: str
    shape: tuple[int, int, int, int] = Setting(strict=False)
    step: int = Setting(ge=0)
    seed: int = Setting(ge=0, lt=1 << 63)
    precision: str
    config: str = ""
    made_by: str = ""


def save_state(motor: Aetheria_Motor, path: Path, config: str = "") -> Description:
    """Writes a motor's present state; the file is whole or not there. For any thread.

    Args:
        config: the run's full configuration as TOML.

    Raises:
        DivergedError: the cells hold NaN or Inf; nothing is written.
        RecordingError: the file cannot be written; DiskFullError when no space is left for it.
    """
    state = motor.state_dict()
    if not finite(state["cells"]):
        raise DivergedError(f"{motor.traits.name}: cells hold NaN or Inf at step {state['step']}; such a state is not saved")
    names = ["cells", *(f"memory_{k}" for k in range(len(state["memory"])))]
    copies = motor.optimizer.move_to_cpu_batch([state["cells"], *state["memory"]])
    description = Description(
        version=VERSION,
        law=motor.traits.name,
        shape=motor.shape,
        step=state["step"],
        seed=state["seed"],
        precision=motor.config.precision,
        config=config,
        made_by=__version__,
    )
    tensors = {name: copy.contiguous() for name, copy in zip(names, copies, strict=True)}
    try:
        with replacing(path) as beside:
            save_file(tensors, beside, {_KEY: description.model_dump_json()})
    except (OSError, SafetensorError) as error:
        if "os error 28" in str(error) or getattr(error, "errno", None) == 28:
            raise DiskFullError(f"{path}: the disk is full; nothing was saved") from error
        raise RecordingError(f"{path}: cannot be written; {error}") from error
    return description


def describe_state(path: Path) -> Description:
    """What the state in a file is of; reads no tensor.

    Raises:
        FileUnreadableError: no such file, no state, or one of another version of Aetheria.
    """
    try:
        with safe_open(path, "pt") as file:
            return _description(path, file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as a saved state; {error}") from error


def is_state(path: Path) -> bool:
    """Whether a file says that it holds a state; False of one that cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return _KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def load_state(motor: Aetheria_Motor, path: Path) -> Description:
    """Makes a motor go on from a saved state; says what it is of.

    Raises:
        FileUnreadableError: no such file, or it is torn or no state.
        StateError: it is of another law or shape; or what `Aetheria_Motor.load_state_dict` raises.
    """
    description = describe_state(path)
    given, own = (description.law, description.shape), (motor.traits.name, motor.shape)
    if given != own:
        raise StateError(f"{path}: a state of {_named(*given)}; this run is {_named(*own)}")
    tensors = _tensors(path, description)
    memory = tuple(tensors[f"memory_{k}"] for k in range(len(tensors) - 1))
    motor.load_state_dict({"cells": tensors["cells"], "memory": memory, "step": description.step, "seed": description.seed})
    return description


def _description(path: Path, metadata: dict[str, str]) -> Description:
    if _KEY not in metadata:
        raise FileUnreadableError(f"{path}: is no saved state (safetensors of something else, weights perhaps)")
    try:
        values: Any = json.loads(metadata[_KEY])
        version = values.get("version")
        if version != VERSION:
            raise FileUnreadableError(f"{path}: a saved state of version {version}; expected version {VERSION}")
        return Description.model_validate(values)
    except (ValueError, AttributeError, ValidationError) as error:
        raise FileUnreadableError(f"{path}: is damaged; its description says {metadata[_KEY][:80]!r}") from error


def _tensors(path: Path, description: Description) -> dict[str, Tensor]:
    """ "cells" and "memory_0" ... of a file."""
    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            if names != {"cells", *(f"memory_{k}" for k in range(len(names) - 1))}:
                raise FileUnreadableError(f"{path}: is damaged; it holds {', '.join(sorted(names)) or 'nothing'}")
            if tuple(file.get_slice("cells").get_shape()) != description.shape:
                raise FileUnreadableError(f"{path}: is damaged; its cells are not of the shape that it says")
            return {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as a saved state; {error}") from error


def _named(law: str, shape: tuple[int, ...]) -> str:
    batch, channels, height, width = shape
    universes = f", {batch} universes" if batch > 1 else ""
    return f"{law}, {height} x {width} cells, {channels} channels{universes}"
