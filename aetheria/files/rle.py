"""Run-length encoded patterns: Life's RLE files and Lenia's extension of it.

Source: the format description on the LifeWiki; multi-state letters as in Golly: `.`/`b` = 0, `o` = 1, `A`..`X` = 1..24,
`pA`..`yO` = 25..255.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError
from aetheria.files.untrusted import check_input

MAX_CELLS = 1 << 28  # of a pattern; a larger one is refused before it is expanded
MAX_RLE_BYTES = 1 << 23  # of a file; the largest in pattern collections have a few MiB
_TOKEN = re.compile(r"(\d*)([.bo$!]|[p-x]?[A-X]|y[A-O])|(\s+)")
_HEADER = re.compile(r"x\s*=\s*(\d{1,9})\s*,\s*y\s*=\s*(\d{1,9})(?:\s*,\s*rule\s*=\s*([^\s,]+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Pattern:
    """A pattern: `cells` `(height, width)`, uint8 states, and the rule that its header names, if any."""

    cells: NDArray[np.uint8]
    rule: str | None = None


def read_rle_file(path: Path) -> Pattern:
    """Reads an RLE file of at most 8 MiB.

    Raises:
        FileUnreadableError: it is missing, is not text, or is refused by `read_rle`.
    """
    check_input(path, "an RLE pattern", MAX_RLE_BYTES)
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadableError(f"{path}: cannot be read as RLE; {error}") from error
    return read_rle(text, str(path))


def read_rle(text: str, where: str) -> Pattern:
    """Parses the text of an RLE file: comments (#...), an optional "x = .., y = .., rule = .." header, and the runs.

    Args:
        where: name of the source, for errors.

    Raises:
        FileUnreadableError: a character outside the format, no "!" at the end (a truncated file), rows outside the
            header's box, or a pattern over 2^28 cells.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    header = _HEADER.match(lines[0].strip()) if lines else None
    rows = _expand("\n".join(lines[1:] if header else lines), where)
    width = max(map(len, rows.values()), default=0)
    height = max(rows, default=-1) + 1
    if header:
        stated = int(header[2]), int(header[1])
        if height > stated[0] or width > stated[1]:
            raise FileUnreadableError(
                f"{where}: rows of {height} x {width} cells (height x width); the header says {stated[0]} x {stated[1]}"
            )
        height, width = stated
    if height * width > MAX_CELLS:
        raise FileUnreadableError(f"{where}: {height} x {width} cells; expected {MAX_CELLS} at most")
    cells = np.zeros((height, width), np.uint8)
    for y, row in rows.items():
        cells[y, : len(row)] = np.frombuffer(bytes(row), np.uint8)
    return Pattern(cells, header[3] if header else None)


def _expand(body: str, where: str) -> dict[int, bytearray]:
    """The rows with live cells, by number: a run of a hundred million empty rows costs nothing."""
    rows: dict[int, bytearray] = {}
    y = at = total = 0
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None:
            raise FileUnreadableError(f"{where}: {body[at]!r} at character {at + 1} of the runs is not an RLE run")
        at = token.end()
        if token[3]:
            continue
        count = int(token[1] or 1) if len(token[1]) < 10 else MAX_CELLS + 1
        total += count
        if total > MAX_CELLS:
            raise FileUnreadableError(f"{where}: more than {MAX_CELLS} cells; expected {MAX_CELLS} at most")
        match token[2]:
            case "!":
                return rows
            case "$":
                y += count
            case state:
                rows.setdefault(y, bytearray()).extend(bytes([_state(state)]) * count)
    raise FileUnreadableError(f'{where}: the runs end without "!"; the file is truncated')


def _state(token: str) -> int:
    if token in ".b":
        return 0
    if token == "o":
        return 1
    letter = ord(token[-1]) - ord("A") + 1
    return letter if len(token) == 1 else 24 * (ord(token[0]) - ord("p") + 1) + letter
