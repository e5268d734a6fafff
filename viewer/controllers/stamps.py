"""Patterns and animals that can be stamped on the cells. No Qt."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from aetheria.core.errors import FileUnreadableError
from aetheria.files.rle import read_rle
from aetheria.laws.continuous.lenia import Lenia, lenia_animals
from aetheria.runs.config import shipped_configs
from viewer.model.shown import BrushSettings


@dataclass(frozen=True, eq=False)
class Stamp:
    """A pattern: its name, values `(h, w)` from 0 (left as it is) to 1 (alive), and a sentence on where it comes from."""

    name: str
    values: NDArray[np.float32]
    about: str = ""


def stamps_for(law: nn.Module) -> tuple[Stamp, ...]:
    """What comes with Aetheria for this law: animals for Lenia, the law's own first; Life's patterns for all others."""
    if not isinstance(law, Lenia):
        return shipped_patterns()
    return tuple(sorted(shipped_animals(), key=lambda stamp: stamp.about != law.animal))


@cache
def shipped_patterns() -> tuple[Stamp, ...]:
    """The RLE patterns that come with Aetheria."""
    folders = {path.parent / "patterns" for path in shipped_configs().values()}
    return tuple(read_stamp(path) for folder in folders for path in sorted(folder.glob("*.rle")))


@cache
def shipped_animals() -> tuple[Stamp, ...]:
    """The Lenia creatures that come with Aetheria; `about` is their code."""
    return tuple(Stamp(animal.name, animal.cells, animal.code) for animal in lenia_animals().values())


def read_stamp(path: Path, *, shades: bool = False) -> Stamp:
    """A pattern from an RLE file, named by its first #N line or the file.

    Args:
        shades: states are shades of 0..255, as in Lenia's files; otherwise every state above 0 is alive.

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
    values = np.asarray(cells / 255 if shades else cells > 0, np.float32)
    name = next((line[2:].strip() for line in text.splitlines() if line.startswith("#N") and line[2:].strip()), path.stem)
    return Stamp(name, values, path.name)


def turned(stamp: Stamp, brush: BrushSettings) -> NDArray[np.float32]:
    """Its values, mirrored and turned clockwise as the brush says."""
    values = stamp.values[:, ::-1] if brush.mirrored else stamp.values
    return np.ascontiguousarray(np.rot90(values, -brush.turns))
