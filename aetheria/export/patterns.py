"""Cells as files that other programs open: RLE patterns and NumPy arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.device import times
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.files.atomic import atomic_write
from aetheria.files.pattern import live_box
from aetheria.files.rle_writer import rle_text
from aetheria.laws.base import Law
from aetheria.motor.edits import ControlEdit
from aetheria.recording import Recording

KINDS = (".rle", ".npy")
_STATE_FIELDS = ("state", "channel_0")


def save_cells(path: Path, cells: NDArray[Any], law: Law, step: int, corner: tuple[int, int] | None = None) -> str:
    """Writes the cells of one universe; returns what was written, for people.

    Args:
        path: ends in .rle (the box of the cells that are not 0, with the law's rule, the box's place as seen from the middle of
            the grid, and the step) or .npy (all cells; whole states as uint8).
        cells: `(C, *grid)`.
        law: of the cells.
        step: steps done.
        corner: (y, x) of the first cell as seen from the middle of the grid, for a part of it that is written whole; None for
            the whole grid, of which RLE holds the box above.

    Raises:
        ConfigError: another suffix, or cells that are no pattern of whole states in two dimensions.
    """
    if path.suffix.lower() == ".npy":
        array = cells.astype(np.uint8) if law.states is not None and law.states <= 256 else cells
        array = array[0] if len(array) == 1 else array
        with atomic_write(path) as beside, beside.open("wb") as file:
            np.save(file, array)
        return f"{times(array.shape)} numbers ({array.dtype}), step {step:,}"
    if path.suffix.lower() != ".rle":
        raise ConfigError(f"{path}: expected a name that ends in {' or '.join(KINDS)}")
    states = _states(cells, law)
    live = states
    if corner is None:
        box = live_box(states)
        live = states[box]
        corner = (box[0].start - states.shape[0] // 2, box[1].start - states.shape[1] // 2)
    text = rle_text(live, law.rule_string, states=law.states, corner=corner, generation=step)
    with atomic_write(path) as beside:
        beside.write_text(text, "utf-8")
    return f"{times(live.shape)} cells, rule {law.rule_string}, step {step:,}"


def export_cells(recording: Recording, path: Path, law: Law, step: int | None = None, universe: int = 0) -> str:
    """Writes the states of a recorded frame as `save_cells` does; returns what was written.

    Args:
        law: that the recording's config builds.
        step: of the frame; None for the last one.

    Raises:
        ConfigError: the frame does not hold the whole states of all cells, or no such frame. RecordingError: no frame.
    """
    field = next((name for name in _STATE_FIELDS if name in recording.fields), None)
    if field is None or law.states is None or law.channels != 1:
        raise ConfigError(f"{recording.path}: holds no states; record the field state or channel_0 of a law of whole states")
    if not len(recording):
        raise RecordingError(f"{recording.path}: holds no frame")
    steps = recording.steps
    index = len(steps) - 1 if step is None else int(np.searchsorted(steps, step))
    if index >= len(steps) or (step is not None and int(steps[index]) != step):
        raise ConfigError(f"{recording.path}: no frame of step {step}; expected one of {steps[0]} to {steps[-1]}")
    cells = recording.read(field, index, universe)[0].astype(np.float32)
    if cells.shape != tuple(recording.attributes["grid"]) or (cells != cells.round()).any():
        raise ConfigError(f"{recording.path}: {field} was recorded smaller, or as pixels; expected the states of all cells")
    for edit in recording.edits:
        if isinstance(edit, ControlEdit) and edit.step <= int(steps[index]):
            law.set_control(edit.name, edit.value)
    return save_cells(path, cells[None], law, int(steps[index]))


def _states(cells: NDArray[Any], law: Law) -> NDArray[np.uint8]:
    if law.states is None or law.states > 256 or len(cells) != 1 or cells.ndim != 3:
        raise ConfigError(f"RLE: cells of {law.name} given; expected whole states of one channel, up to 255, in two dimensions")
    return cells[0].astype(np.uint8)
