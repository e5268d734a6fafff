"""Patterns and animals that can be stamped on the cells. No Qt."""

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
    """A pattern: its name, values `(h, w)` from 0 (left as it is) to 1 (alive), and a sentence on where it comes from."""

    name: str
    values: NDArray[np.float32]
    about: str = ""


def stamps_for(law: Law) -> tuple[Stamp, ...]:
    """Stamps shipped for this law: its creatures, or the two-state patterns where it has none; `about` is a code."""
    creatures = tuple(Stamp(animal.name, animal.cells, animal.code) for animal in law.creatures())
    return creatures or shipped_patterns()


@cache
def shipped_patterns() -> tuple[Stamp, ...]:
    """The RLE patterns that come with Aetheria."""
    folders = {path.parent / "patterns" for path in shipped_configs().values()}
    return tuple(read_stamp(path) for folder in folders for path in sorted(folder.glob("*.rle")))


def read_stamp(path: Path, law: Law | None = None) -> Stamp:
    """A pattern from an RLE file, named by its first #N line or the file.

    Args:
        law: gives values to the states of a file; without one, or where its cells are whole states, all above 0 are alive.

    Raises:
        FileUnreadableError: it is none, or holds nothing.
    """
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as RLE; {error}") from error
    cells = read_rle(text, str(path)).cells
    if not cells.any():
        raise FileUnreadableError(f"{path}: the pattern is empty; nothing to stamp")
    values = np.asarray(cells > 0, np.float32) if law is None or law.states else law.pattern_values(cells, str(path))
    name = next((line[2:].strip() for line in text.splitlines() if line.startswith("#N") and line[2:].strip()), path.stem)
    return Stamp(name, values, path.name)


def turned(stamp: Stamp, brush: BrushSettings) -> NDArray[np.float32]:
    """Its values, mirrored and turned clockwise as the brush says."""
    values = stamp.values[:, ::-1] if brush.mirrored else stamp.values
    return np.ascontiguousarray(np.rot90(values, -brush.turns))
