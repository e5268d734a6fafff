"""The state of a motor on a split grid, saved by all processes, each its own tile."""

import secrets
from pathlib import Path

from aetheria.core.errors import RecordingError
from aetheria.core.rng_state import random_states
from aetheria.motor.edit_log import controls_of
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording.append import ResumePoint
from aetheria.recording.metadata import weights_hash
from aetheria.runs.state_description import IN_PARTS, StateDescription
from aetheria.runs.state_file import SavedState, described, diverged


def capture_tiles(motor: Aetheria_Motor, path: Path, config: str, position: ResumePoint) -> SavedState:
    """Writes every process's tile of a split grid to a file beside `path`; returns the rest of its state, to be written there.

    Raises:
        RecordingError: a file cannot be written, or is not there. ProcessLostError: of another process.
        DivergedError: the state holds NaN or Inf.
    """
    with motor.turn:
        assert motor.tiles is not None
        step, controls, weights = motor.step_count, controls_of(motor.traits), weights_hash(motor.law)
        written = motor.tiles.write(path, secrets.token_hex(8), step)
    if written is None:
        raise diverged(motor)
    for part in written.files:
        if not part.path(path).exists():
            raise RecordingError(f"{part.path(path)}: was written, and is not here; expected a folder that all processes share")
    others = motor.optimizer.move_to_cpu_batch(list(written.others.values()))
    tensors = {name: other.contiguous() for name, other in zip(written.others, others, strict=True)}
    said = {**described(motor, controls, weights, step), "parts": written.files, "tiled": written.shapes}
    description = StateDescription(version=IN_PARTS, config=config, position=position, **said)
    return SavedState(description, tensors | random_states(motor.device))
