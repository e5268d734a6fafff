"""The saved state of a run: cells, memory, step and seed in one safetensors file, with a description in JSON; no pickle.

Any reader of safetensors opens it. Tensors: "cells" `(B, C, *grid)`, "memory_0", "memory_1" ..., "law.<module:name>" for state
that the law's modules keep themselves, and in a checkpoint the states of random generators (`aetheria.core.rng_state`).
Metadata: "aetheria_state", the description, and "sha256", the digest of description and tensors. A file of version 2 without a
digest is refused; version 1 had none.

In a checkpoint of a split grid (version 3) cells and memory are in files beside it, one for each process; the description lists
them, with the digest of each and the place of its tensors in the grid (`corner` and `size`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aetheria.core.device import times
from aetheria.core.errors import AetheriaError, DiskFullError, DivergedError, FileUnreadableError, RecordingError, StateError
from aetheria.core.rng_state import NAMES, random_states, set_random_states
from aetheria.files.atomic import durable_write
from aetheria.files.checked_tensors import check_safetensors, digest_of
from aetheria.laws.own_state import to_files
from aetheria.motor.cells import finite
from aetheria.motor.edit_log import controls_of
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.split_state import load_tiles
from aetheria.recording.append import ResumePoint
from aetheria.recording.metadata import weights_hash
from aetheria.runs.provenance import Provenance
from aetheria.runs.state_description import IN_PARTS, StateDescription
from aetheria.runs.state_parts import check_parts, tile_files
from aetheria.split.tile_files import TileFiles, is_tile_file

VERSION = 2
READABLE = (1, VERSION, IN_PARTS)
_FAILURES = (OSError, SafetensorError, RuntimeError, MemoryError)  # of safe_open, which maps the file
_KEY, _DIGEST = "aetheria_state", "sha256"
_LAW = "law."  # prefix of the tensors that the law's modules keep themselves


@dataclass(frozen=True)
class SavedState:
    """A state with its description.

    Attributes:
        tensors: by the names in the file, on the CPU.
        files: of cells and memory, where they are not among the tensors.
    """

    description: StateDescription
    tensors: Mapping[str, Tensor]
    files: TileFiles | None = None

    def load(self, motor: Aetheria_Motor) -> None:
        """Puts a motor into this state. Raises what `Aetheria_Motor.load_state_dict` or `load_tiles` does."""
        tensors, description = self.tensors, self.description
        law = {name.removeprefix(_LAW): tensor for name, tensor in tensors.items() if name.startswith(_LAW)}
        law |= description.law_state
        if self.files is not None:
            load_tiles(motor, self.files, description.step, description.seed, law)
            return
        motor.load_state_dict(
            {
                "cells": tensors["cells"],
                "memory": tuple(tensors[name] for name in _memories(tensors)),
                "step": description.step,
                "seed": description.seed,
                "law": law,
            }
        )

    def load_random(self, motor: Aetheria_Motor) -> None:
        """Puts the random generators of the process into their saved states.

        Raises:
            StateError: a saved value is not a state of its generator.
        """
        try:
            set_random_states(self.tensors, motor.device)
        except (ValueError, TypeError, RuntimeError, IndexError, OverflowError) as error:
            raise StateError(f"the random generators cannot be restored from the saved state; {error}") from None


def capture(motor: Aetheria_Motor, config: str = "", position: ResumePoint | None = None) -> SavedState:
    """A copy of a motor's present state; with a position also of the states of the random generators.

    Args:
        config: the run's full config as TOML.
        position: of the recording, for a checkpoint.

    Raises:
        DivergedError: the state holds NaN or Inf.
        StateError: a module of the law keeps a value that no file can hold.
    """
    with motor.turn:
        state, controls, weights = motor.state_dict(), controls_of(motor.traits), weights_hash(motor.law)
    tensors = {"cells": state["cells"], **{f"memory_{k}": memory for k, memory in enumerate(state["memory"])}}
    if not all(finite(tensor) for tensor in tensors.values()):
        raise diverged(motor)
    law_tensors, law_values = to_files(state.get("law", {}))
    tensors |= {_LAW + name: tensor for name, tensor in law_tensors.items()}
    copies = motor.optimizer.move_to_cpu_batch(list(tensors.values()))
    saved = {name: copy.contiguous() for name, copy in zip(tensors, copies, strict=True)}
    if position is not None:
        saved |= random_states(motor.device)
    description = StateDescription(
        version=VERSION,
        config=config,
        position=position,
        law_state=law_values,
        **described(motor, controls, weights, state["step"]),
    )
    return SavedState(description, saved)


def described(motor: Aetheria_Motor, controls: dict[str, Any], weights: str, step: int) -> dict[str, Any]:
    """What the description of a state says of its motor."""
    return {
        "law": motor.traits.name,
        "shape": motor.shape,
        "step": step,
        "seed": motor.seed,
        "made": Provenance.of(motor),
        "weights_sha256": weights,
        "controls": controls,
    }


def diverged(motor: Aetheria_Motor) -> DivergedError:
    """The error for a state that is not saved."""
    return DivergedError(f"{motor.traits.name}: cells hold NaN or Inf at step {motor.step_count}; such a state is not saved")


def write_state(saved: SavedState, path: Path) -> None:
    """Writes a state; after any failure, even of the machine, the file is complete or absent.

    Raises:
        RecordingError: the file cannot be written, or reads back changed. DiskFullError: no space is left.
    """
    text = saved.description.to_json()
    digest = digest_of(text, saved.tensors)

    def verify(temporary: Path) -> None:
        if _contents(temporary)[0].get(_DIGEST) != digest:
            raise RecordingError(f"{path}: reads back changed after it was written; the disk, or memory, is failing")

    try:
        with durable_write(path, verify) as temporary:
            save_file(dict(saved.tensors), temporary, {_KEY: text, _DIGEST: digest})
    except DiskFullError as error:
        raise DiskFullError(f"{path}: the disk is full; nothing was saved") from error
    except AetheriaError:
        raise
    except _FAILURES as error:
        raise RecordingError(f"{path}: cannot be written; {error}") from error


def save_state(motor: Aetheria_Motor, path: Path, config: str = "") -> StateDescription:
    """Saves a motor's present state. For any thread; raises what `capture` and `write_state` do."""
    saved = capture(motor, config)
    write_state(saved, path)
    return saved.description


def describe_state(path: Path) -> StateDescription:
    """The description of the state in a file; reads no tensor.

    Raises:
        FileUnreadableError: no such file, not a saved state, or one of another version of Aetheria.
    """
    check_safetensors(path, "a saved state")
    try:
        with safe_open(path, "pt") as file:
            return _description(path, file.metadata() or {})
    except _FAILURES as error:
        raise FileUnreadableError(f"{path}: cannot be read as a saved state; {error}") from error


def is_state(path: Path) -> bool:
    """Whether a file claims to be a saved state; False for one that cannot be read."""
    try:
        check_safetensors(path, "a saved state")
        with safe_open(path, "pt") as file:
            return _KEY in (file.metadata() or {})
    except (AetheriaError, *_FAILURES):
        return False


def read_state(path: Path) -> SavedState:
    """The state in a file and its parts, checked against their digests, with all tensors whole.

    Raises:
        FileUnreadableError: no such file, a damaged one, a part that is missing, or not a saved state.
    """
    metadata, tensors = _checked_contents(path)
    description = _description(path, metadata)
    if description.parts:
        files = tile_files(path, description, tensors)
        tensors |= {name: files.whole(name) for name in description.tiled}
    return SavedState(description, tensors)


def open_state(path: Path) -> SavedState:
    """As `read_state`, but cells and memory stay in their files, of which each process of a split grid reads its window."""
    metadata, tensors = _checked_contents(path)
    description = _description(path, metadata)
    files = tile_files(path, description, tensors)
    return SavedState(description, {name: tensor for name, tensor in tensors.items() if name not in files.shapes}, files)


def _checked_contents(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a state's own file, checked with those of its parts. Raises FileUnreadableError."""
    check_safetensors(path, "a saved state")
    try:
        metadata, tensors = _contents(path)
    except _FAILURES as error:
        raise FileUnreadableError(f"{path}: cannot be read as a saved state; {error}") from error
    description = _description(path, metadata)
    check_parts(path, description)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()} | description.tiled
    names = {name for name in shapes if name not in NAMES and not name.startswith(_LAW)}
    if names != {"cells", *_memories(shapes)}:
        raise FileUnreadableError(f"{path}: is damaged; it holds {', '.join(sorted(shapes)) or 'nothing'}")
    if shapes["cells"] != description.shape:
        raise FileUnreadableError(f"{path}: is damaged; its cells are not of the shape in its description")
    return metadata, tensors


def load_state(motor: Aetheria_Motor, path: Path) -> StateDescription:
    """Puts a motor into a saved state; returns its description.

    Raises:
        FileUnreadableError: no such file, a damaged one, or not a saved state.
        StateError: a state of another law or shape; or what `Aetheria_Motor.load_state_dict` raises.
    """
    saved = read_state(path)
    given, own = (saved.description.law, saved.description.shape), (motor.traits.name, motor.shape)
    if given != own:
        raise StateError(f"{path}: a state of {_named(*given)}; this run is {_named(*own)}")
    saved.load(motor)
    return saved.description


def _contents(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file. Raises FileUnreadableError when they do not have the digest in the metadata."""
    with safe_open(path, "pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if _DIGEST in metadata and metadata[_DIGEST] != (found := digest_of(metadata.get(_KEY, ""), tensors)):
        raise FileUnreadableError(
            f"{path}: is damaged; its contents have the digest {found[:16]}, not {metadata[_DIGEST][:16]}"
        )
    return metadata, tensors


def _description(path: Path, metadata: dict[str, str]) -> StateDescription:
    if is_tile_file(metadata):
        raise FileUnreadableError(
            f"{path}: is a part of a saved state; expected the file that lists it, without .part- in its name"
        )
    if _KEY not in metadata:
        raise FileUnreadableError(f"{path}: is not a saved state (other safetensors, weights perhaps)")
    try:
        values: Any = json.loads(metadata[_KEY])
        version = values.get("version")
        if version not in READABLE:
            raise FileUnreadableError(f"{path}: a saved state of version {version}; expected version {_or(READABLE)}")
        if version == 1:
            values = {key: value for key, value in values.items() if key not in ("precision", "made_by")}
        if (version == 1) == (_DIGEST in metadata):
            raise FileUnreadableError(f"{path}: is damaged; a saved state of version {version} and its digest do not agree")
        return StateDescription.model_validate(values)
    except (ValueError, AttributeError, RecursionError) as error:
        raise FileUnreadableError(f"{path}: is damaged; its description is {metadata[_KEY][:80]!r}") from error


def _memories(tensors: Mapping[str, Any]) -> list[str]:
    """ "memory_0", "memory_1" ..., as many as there are."""
    return [f"memory_{k}" for k in range(sum(bool(re.fullmatch(r"memory_\d+", name)) for name in tensors))]


def _named(law: str, shape: tuple[int, ...]) -> str:
    batch, channels, *grid = shape
    universes = f", {batch} universes" if batch > 1 else ""
    return f"{law}, {times(grid)} cells, {channels} channels{universes}"


def _or(versions: tuple[int, ...]) -> str:
    return " or ".join(map(str, versions))
