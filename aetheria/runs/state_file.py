"""The state of a run in one file: cells, memory, step and seed as safetensors, with a description in JSON; no pickle.

Whatever reads safetensors reads it: "cells" `(B, C, H, W)`, "memory_0", "memory_1" ..., in a checkpoint the states of random
generators (`aetheria.core.rng_state`), and under the key "aetheria_state" of the metadata what they are of. Under "sha256"
stands the digest of all this, without which a file of version 2 is not taken for whole; version 1 had none.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field as Setting
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aetheria.core.errors import AetheriaError, DiskFullError, DivergedError, FileUnreadableError, RecordingError, StateError
from aetheria.core.rng_state import NAMES, random_states, set_random_states
from aetheria.core.settings import Settings
from aetheria.files.atomic import durable_write
from aetheria.files.untrusted import check_safetensors
from aetheria.motor.cells import finite
from aetheria.motor.edit_log import controls_of
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording.append import ResumePoint
from aetheria.recording.metadata import weights_hash
from aetheria.runs.provenance import Provenance

VERSION = 2
READABLE = (1, VERSION)
_KEY, _DIGEST = "aetheria_state", "sha256"


class Description(Settings):
    """What a state is of.

    Attributes:
        version: of this form.
        law: name of its class.
        shape: (B, C, H, W).
        step, seed: as for `Aetheria_Motor.state_dict`.
        config: the run's configuration as TOML; empty when it was not run from one.
        made: the circumstances of the run; None in version 1.
        weights_sha256: of the law's tensors, with its controls as they were; empty in version 1.
        controls: of the law, as they were.
        position: of the recording that was being made, in a checkpoint.
    """

    version: int
    law: str
    shape: tuple[int, ...] = Setting(strict=False)
    step: int = Setting(ge=0)
    seed: int = Setting(ge=0, lt=1 << 63)
    config: str = ""
    made: Provenance | None = None
    weights_sha256: str = ""
    controls: dict[str, float | str] = Setting(default_factory=dict)
    position: ResumePoint | None = None


@dataclass(frozen=True)
class SavedState:
    """A state as a file keeps it: what it is of, and its tensors by name."""

    description: Description
    tensors: Mapping[str, Tensor]

    def load(self, motor: Aetheria_Motor) -> None:
        """Makes a motor go on from it. Raises what `Aetheria_Motor.load_state_dict` does."""
        memory = tuple(self.tensors[name] for name in _memories(self.tensors))
        step, seed = self.description.step, self.description.seed
        motor.load_state_dict({"cells": self.tensors["cells"], "memory": memory, "step": step, "seed": seed})

    def load_random(self, motor: Aetheria_Motor) -> None:
        """Sets the random generators of the process to what they were.

        Raises:
            StateError: what is kept is no state of a generator.
        """
        try:
            set_random_states(self.tensors, motor.device)
        except (ValueError, TypeError, RuntimeError, IndexError, OverflowError) as error:
            raise StateError(f"the random generators cannot go on from what was saved; {error}") from None


def capture(motor: Aetheria_Motor, config: str = "", position: ResumePoint | None = None) -> SavedState:
    """A motor's present state, as it is kept in a file; with a position, the states of the random generators too.

    Args:
        config: the run's full configuration as TOML.

    Raises:
        DivergedError: the state holds NaN or Inf.
    """
    with motor.turn:
        state, controls, weights = motor.state_dict(), controls_of(motor.traits), weights_hash(motor.law)
    tensors = {"cells": state["cells"], **{f"memory_{k}": memory for k, memory in enumerate(state["memory"])}}
    if not all(finite(tensor) for tensor in tensors.values()):
        raise DivergedError(f"{motor.traits.name}: cells hold NaN or Inf at step {state['step']}; such a state is not saved")
    copies = motor.optimizer.move_to_cpu_batch(list(tensors.values()))
    kept = {name: copy.contiguous() for name, copy in zip(tensors, copies, strict=True)}
    if position is not None:
        kept |= random_states(motor.device)
    description = Description(
        version=VERSION,
        law=motor.traits.name,
        shape=motor.shape,
        step=state["step"],
        seed=state["seed"],
        config=config,
        made=Provenance.of(motor),
        weights_sha256=weights,
        controls=controls,
        position=position,
    )
    return SavedState(description, kept)


def write_state(saved: SavedState, path: Path) -> None:
    """Writes a state; the file is whole or not there, also after a crash of the machine.

    Raises:
        RecordingError: the file cannot be written, or reads back otherwise; DiskFullError when no space is left for it.
    """
    text = saved.description.model_dump_json()
    digest = _digest(text, saved.tensors)

    def verify(beside: Path) -> None:
        if _contents(beside)[0].get(_DIGEST) != digest:
            raise RecordingError(f"{path}: what was written reads back otherwise; the disk, or memory, is failing")

    try:
        with durable_write(path, verify) as beside:
            save_file(dict(saved.tensors), beside, {_KEY: text, _DIGEST: digest})
    except AetheriaError:
        raise
    except (OSError, SafetensorError) as error:
        if "os error 28" in str(error) or getattr(error, "errno", None) == 28:
            raise DiskFullError(f"{path}: the disk is full; nothing was saved") from error
        raise RecordingError(f"{path}: cannot be written; {error}") from error


def save_state(motor: Aetheria_Motor, path: Path, config: str = "") -> Description:
    """Writes a motor's present state. For any thread; raises what `capture` and `write_state` do."""
    saved = capture(motor, config)
    write_state(saved, path)
    return saved.description


def describe_state(path: Path) -> Description:
    """What the state in a file is of; reads no tensor.

    Raises:
        FileUnreadableError: no such file, no state, or one of another version of Aetheria.
    """
    check_safetensors(path, "a saved state")
    try:
        with safe_open(path, "pt") as file:
            return _description(path, file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as a saved state; {error}") from error


def is_state(path: Path) -> bool:
    """Whether a file says that it holds a state; False of one that cannot be read."""
    try:
        check_safetensors(path, "a saved state")
        with safe_open(path, "pt") as file:
            return _KEY in (file.metadata() or {})
    except (AetheriaError, OSError, SafetensorError):
        return False


def read_state(path: Path) -> SavedState:
    """The state in a file, which is whole.

    Raises:
        FileUnreadableError: no such file, or it is torn or no state.
    """
    check_safetensors(path, "a saved state")
    try:
        metadata, tensors = _contents(path)
    except (OSError, SafetensorError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as a saved state; {error}") from error
    description = _description(path, metadata)
    names = set(tensors) - set(NAMES)
    if names != {"cells", *_memories(tensors)}:
        raise FileUnreadableError(f"{path}: is damaged; it holds {', '.join(sorted(tensors)) or 'nothing'}")
    if tuple(tensors["cells"].shape) != description.shape:
        raise FileUnreadableError(f"{path}: is damaged; its cells are not of the shape that it says")
    return SavedState(description, tensors)


def load_state(motor: Aetheria_Motor, path: Path) -> Description:
    """Makes a motor go on from a saved state; says what it is of.

    Raises:
        FileUnreadableError: no such file, or it is torn or no state.
        StateError: it is of another law or shape; or what `Aetheria_Motor.load_state_dict` raises.
    """
    saved = read_state(path)
    given, own = (saved.description.law, saved.description.shape), (motor.traits.name, motor.shape)
    if given != own:
        raise StateError(f"{path}: a state of {_named(*given)}; this run is {_named(*own)}")
    saved.load(motor)
    return saved.description


def _contents(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata, with the digest as it is and not as it says, and tensors of a file."""
    with safe_open(path, "pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    if _DIGEST in metadata and metadata[_DIGEST] != (found := _digest(metadata.get(_KEY, ""), tensors)):
        raise FileUnreadableError(
            f"{path}: is damaged; its contents have the digest {found[:16]}, not {metadata[_DIGEST][:16]}"
        )
    return metadata, tensors


def _description(path: Path, metadata: dict[str, str]) -> Description:
    if _KEY not in metadata:
        raise FileUnreadableError(f"{path}: is no saved state (safetensors of something else, weights perhaps)")
    try:
        values: Any = json.loads(metadata[_KEY])
        version = values.get("version")
        if version not in READABLE:
            raise FileUnreadableError(f"{path}: a saved state of version {version}; expected version {_or(READABLE)}")
        if version == 1:
            values = {key: value for key, value in values.items() if key not in ("precision", "made_by")}
        if (version == 1) == (_DIGEST in metadata):
            raise FileUnreadableError(f"{path}: is damaged; a saved state of version {version} and its digest do not agree")
        return Description.model_validate(values)
    except (ValueError, AttributeError, RecursionError) as error:
        raise FileUnreadableError(f"{path}: is damaged; its description says {metadata[_KEY][:80]!r}") from error


def _digest(description: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the description and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(description.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _memories(tensors: Mapping[str, Tensor]) -> list[str]:
    """ "memory_0", "memory_1" ..., as many as there are."""
    return [f"memory_{k}" for k in range(sum(bool(re.fullmatch(r"memory_\d+", name)) for name in tensors))]


def _named(law: str, shape: tuple[int, ...]) -> str:
    batch, channels, height, width = shape
    universes = f", {batch} universes" if batch > 1 else ""
    return f"{law}, {height} x {width} cells, {channels} channels{universes}"


def _or(versions: tuple[int, ...]) -> str:
    return " or ".join(map(str, versions))
