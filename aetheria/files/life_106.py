"""Life 1.06 patterns (.lif): a line with the coordinates of each live cell.

Source: "Life 1.06" on the LifeWiki.
"""

import re

from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern import Canvas, Pattern
from aetheria.files.pattern_text import lines_of

_CELL = re.compile(r"\s*([+-]?\d{1,18})[\s,]+([+-]?\d{1,18})\s*")


def read_life_106(text: str, where: str, live: int = 1) -> Pattern:
    """Parses the text of a Life 1.06 file.

    Args:
        where: name of the source, for errors.
        live: the state of a live cell.

    Raises:
        FileUnreadableError: a line without two numbers, or a pattern over 2^28 cells.
    """
    canvas = Canvas(where)
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cell = _CELL.fullmatch(line)
        if cell is None:
            raise FileUnreadableError(f'{where}: line {number}: "{line[:40]}"; expected the x and y of a cell')
        canvas.add(int(cell[2]), int(cell[1]), 1, live)
    top, left, bottom, right = canvas.box()
    return Pattern(canvas.drawing(top, left, bottom - top, right - left), corner=(top, left))
