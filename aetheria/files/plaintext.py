"""Plaintext patterns (.cells): a line for each row, `O` alive and `.` dead, comments behind `!`.

Source: "Plaintext" on the LifeWiki.
"""

import re

from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern import Canvas, Pattern
from aetheria.files.pattern_text import lines_of

_LIVE = re.compile(r"[Oo*]+")
_OTHER = re.compile(r"[^.Oo*]")


def read_plaintext(text: str, where: str, live: int = 1) -> Pattern:
    """Parses the text of a .cells file. A blank line is an empty row.

    Args:
        where: name of the source, for errors.
        live: the state of a live cell.

    Raises:
        FileUnreadableError: a character outside the format, or a pattern over 2^28 cells.
    """
    canvas = Canvas(where)
    about: dict[str, str] = {}
    y = width = 0
    for number, line in enumerate(lines_of(text.rstrip()), 1):
        if line.startswith(("!", "#")):
            key, colon, value = line[1:].partition(":")
            about.setdefault(key.strip().casefold(), value.strip() if colon else "")
            continue
        row = line.rstrip()
        draw_row(canvas, row, y, 0, live, number)
        y, width = y + 1, max(width, len(row))
    return Pattern(canvas.drawing(0, 0, y, width), about.get("rule") or None, about.get("name") or None)


def draw_row(canvas: Canvas, row: str, y: int, x: int, live: int, number: int) -> None:
    """Draws a row of `.` and `O` or `*` from (y, x) on. Raises FileUnreadableError for another character in line `number`."""
    if other := _OTHER.search(row):
        raise FileUnreadableError(
            f'{canvas.where}: line {number}: {other[0]!r}; expected rows of "." (dead) and "O" or "*" (alive)'
        )
    for run in _LIVE.finditer(row):
        canvas.add(y, x + run.start(), len(run[0]), live)
