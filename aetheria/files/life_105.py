"""Life 1.05 patterns (.lif): blocks of rows, each at a place of its own.

Source: "Life 1.05" on the LifeWiki; `#R` is survival/birth, `#N` Conway's rule.
"""

import re

from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern import Canvas, Pattern
from aetheria.files.pattern_text import lines_of
from aetheria.files.plaintext import draw_row

_PLACE = re.compile(r"#P\s*([+-]?\d{1,18})[\s,]+([+-]?\d{1,18})\s*")


def read_life_105(text: str, where: str, live: int = 1) -> Pattern:
    """Parses the text of a Life 1.05 file.

    Args:
        where: name of the source, for errors.
        live: the state of a live cell.

    Raises:
        FileUnreadableError: a character outside the format, or a pattern over 2^28 cells.
    """
    canvas = Canvas(where)
    rule: str | None = None
    y = x = 0
    for number, line in enumerate(lines_of(text), 1):
        line = line.strip()
        if line.startswith("#P"):
            place = _PLACE.fullmatch(line if line[2:].strip() else "#P 0 0")
            if place is None:
                raise FileUnreadableError(f'{where}: line {number}: "{line[:40]}"; expected #P with two numbers')
            x, y = int(place[1]), int(place[2])
        elif line.startswith("#R"):
            rule = line[2:].strip() or None
        elif line.startswith("#N"):
            rule = "23/3"
        elif line and not line.startswith("#"):
            draw_row(canvas, line, y, x, live, number)
            y += 1
    top, left, bottom, right = canvas.box()
    return Pattern(canvas.drawing(top, left, bottom - top, right - left), rule, corner=(top, left))
