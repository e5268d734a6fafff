"""Stamps: patterns and creatures to paint. No Qt."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError
from aetheria.files.rle import read_rle
from aetheria.laws.base import Law
from aetheria.runs.config import shipped_configs
from viewer.model.brush_settings import BrushSettings


@dataclass(frozen=True, eq=False)
class Stamp:
    """A pattern: its name, values `(h, w)` from 0 (unchanged) to 1 (live), and a sentence about its origin."""

    name: str
    values: NDArray[np.float32]
    about: str = ""


def stamps_for(law: Law) -> tuple[Stamp, ...]:
    """Stamps shipped for this law: its creatures, or the two-state patterns where it has none; `about` is a code."""
    creatures = tuple(Stamp(animal.name, animal.cells, animal.code) for animal in law.creatures())
    return creatures or shipped_patterns()


@cache
def shipped_patterns() -> tuple[Stamp, ...]:
    """The shipped RLE patterns."""
    folders = {path.parent / "patterns" for path in shipped_configs().values()}
    return tuple(read_stamp(path) for folder in folders for path in sorted(folder.glob("*.rle")))


def read_stamp(path: Path, law: Law | None = None) -> Stamp:
    """Reads a pattern from an RLE file; its name is the first #N line, or the file name.

    Args:
        law: maps the states of the file to values; without one, or for whole-state laws, all states above 0 are live.

    Raises:
        FileUnreadableError: not an RLE file, or empty.
    """
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as RLE; {error}") from error
    cells = read_rle(text, str(path)).cells
    if not cells.any():
        raise FileUnreadableError(f"{path}: the pattern is empty")
    values = np.asarray(cells > 0, np.float32) if law is None or law.states else law.pattern_values(cells, str(path))
    name = next((line[2:].strip() for line in text.splitlines() if line.startswith("#N") and line[2:].strip()), path.stem)
    return Stamp(name, values, path.name)


def turned(stamp: Stamp, brush: BrushSettings) -> NDArray[np.float32]:
    """Values of the stamp, mirrored and then turned clockwise as the brush says."""
    values = stamp.values[:, ::-1] if brush.mirrored else stamp.values
    return np.ascontiguousarray(np.rot90(values, -brush.turns))
