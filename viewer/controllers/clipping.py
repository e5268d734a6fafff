"""Copied cells, and their forms on the clipboard: RLE text for whole states, a NumPy array for other cells. No Qt."""

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError, StateError
from aetheria.core.printable import get_logger
from aetheria.files.pattern import Pattern
from aetheria.files.pattern_text import MAX_FILE_BYTES
from aetheria.files.patterns import WANTED, parse_pattern, read_pattern
from aetheria.files.rle_writer import rle_text
from aetheria.files.untrusted import parse_array, read_array
from aetheria.laws.base import Law
from aetheria.motor.values import law_values

log = get_logger("aetheria.viewer.clipping")  # the window shows Aetheria's warnings
CLIPBOARD = "the clipboard"  # its name in messages


@dataclass(frozen=True, eq=False)
class Clipping:
    """Copied cells `(C, h, w)`, and the step that they were copied at."""

    values: NDArray[Any]
    step: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in cells."""
        return self.values.shape[1], self.values.shape[2]

    def turned(self, quarters: int) -> "Clipping":
        """Turned clockwise."""
        return replace(self, values=np.ascontiguousarray(np.rot90(self.values, -quarters, (-2, -1))))

    def flipped(self, axis: int) -> "Clipping":
        """Mirrored left to right (axis -1) or top to bottom (axis -2)."""
        return replace(self, values=np.ascontiguousarray(np.flip(self.values, axis)))

    def rle(self, law: Law) -> str:
        """The text of an RLE file, with the law's rule; empty where the cells are not whole states of one channel."""
        if law.states is None or law.states > 256 or len(self.values) != 1:
            return ""
        return rle_text(self.values[0].astype(np.uint8), law.rule_string, states=law.states, generation=self.step)

    def npy(self) -> bytes:
        """The bytes of a `.npy` file of the cells `(C, h, w)`."""
        file = BytesIO()
        np.save(file, self.values)
        return file.getvalue()


def clipping_of_text(text: str, law: Law) -> Clipping:
    """Cells of a pattern in any pattern format, as cells of a law.

    Raises:
        FileUnreadableError: no pattern, an empty or a huge one. StateError: states that the law does not have.
    """
    if not text.strip():
        raise FileUnreadableError(f"{CLIPBOARD}: holds no text; expected {WANTED}")
    if len(text) > MAX_FILE_BYTES:
        raise FileUnreadableError(f"{CLIPBOARD}: {len(text):,} characters; expected {WANTED} of at most {MAX_FILE_BYTES:,}")
    try:
        pattern = parse_pattern(text, Path(CLIPBOARD), law.live_state)
    except FileUnreadableError as error:
        raise FileUnreadableError(f"{error}; expected {WANTED}") from None
    return _of_pattern(pattern, law, CLIPBOARD)


def clipping_of_npy(content: bytes, law: Law) -> Clipping:
    """Cells from the bytes of a `.npy` file; raises as `clipping_of_file` does."""
    return _of_array(parse_array(BytesIO(content), len(content), CLIPBOARD), law, CLIPBOARD)


def clipping_of_file(path: Path, law: Law) -> Clipping:
    """Cells of a pattern file, or of a `.npy` file of an array `(h, w)` or `(C, h, w)`.

    Raises:
        FileUnreadableError: another kind of file. StateError: values, or a number of channels, that the law does not have.
    """
    if path.suffix.lower() == ".npy":
        return _of_array(read_array(path), law, str(path))
    return _of_pattern(read_pattern(path, law.live_state), law, str(path))


def _of_pattern(pattern: Pattern, law: Law, where: str) -> Clipping:
    if not pattern.cells.size:
        raise FileUnreadableError(f"{where}: the pattern is empty")
    if pattern.rule and not law.obeys(pattern.rule):
        log.warning("%s was made for rule %s and is pasted into %s", where, pattern.rule, law.rule_string)
    values = law.pattern_values(pattern.cells, where)
    live, rest = (cell.cpu().numpy()[:, None, None] for cell in (law.seed_cell(), law.rest_cell()))
    return Clipping(np.where(values == 0, rest, live * values).astype(np.float32), pattern.generation)


def _of_array(array: NDArray[Any], law: Law, where: str) -> Clipping:
    values = law_values(array, law, where).numpy()
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or len(values) != law.channels or not values.size:
        wanted = f"{law.channels} x height x width" if law.channels > 1 else "height x width"
        raise StateError(f"{where}: an array of {' x '.join(map(str, array.shape))}; expected {wanted}, cells of {law.name}")
    return Clipping(values)
