"""Stamps: patterns and creatures to paint. No Qt."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError
from aetheria.core.printable import get_logger
from aetheria.files.patterns import read_pattern
from aetheria.laws.base import Law
from aetheria.runs.config import shipped_configs
from viewer.model.brush_settings import BrushSettings

log = get_logger("aetheria.viewer.stamps")  # the window shows Aetheria's warnings


@dataclass(frozen=True, eq=False)
class Stamp:
    """A pattern: its name, values `(h, w)` from 0 (unchanged) to 1 (live) or whole states, and a sentence about its origin."""

    name: str
    values: NDArray[np.float32]
    about: str = ""


def stamps_for(law: Law) -> tuple[Stamp, ...]:
    """Stamps shipped for this law: its creatures, or the two-state patterns where it has none; `about` is a code."""
    creatures = tuple(Stamp(animal.name, animal.cells, animal.code) for animal in law.creatures() if animal.cells.ndim == 2)
    return creatures or shipped_patterns()


@cache
def shipped_patterns() -> tuple[Stamp, ...]:
    """The shipped RLE patterns."""
    folders = {path.parent / "patterns" for path in shipped_configs().values()}
    return tuple(read_stamp(path) for folder in folders for path in sorted(folder.glob("*.rle")))


def read_stamp(path: Path, law: Law | None = None) -> Stamp:
    """Reads a pattern from a file of any pattern format; its name is the title in the file, or the file name.

    Args:
        law: maps the states of the file to values; without one all states above 0 are live.

    Raises:
        FileUnreadableError: not a pattern, or empty. StateError: states that the law does not have.
    """
    pattern = read_pattern(path, law.live_state if law is not None else 1)
    cells = pattern.cells
    if not cells.any():
        raise FileUnreadableError(f"{path}: the pattern is empty")
    if law is not None and pattern.rule and not law.obeys(pattern.rule):
        log.warning("%s was made for rule %s and is painted into %s", path.name, pattern.rule, law.rule_string)
    values = np.asarray(cells, np.float32) if law is None else law.pattern_values(cells, str(path))
    if law is None or law.states == 2:
        values = np.asarray(values > 0, np.float32)
    return Stamp(pattern.name or path.stem, values, path.name)


def turned(stamp: Stamp, brush: BrushSettings) -> NDArray[np.float32]:
    """Values of the stamp, mirrored and then turned clockwise as the brush says."""
    values = stamp.values[:, ::-1] if brush.mirrored else stamp.values
    return np.ascontiguousarray(np.rot90(values, -brush.turns))
