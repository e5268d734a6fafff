"""MCell patterns (.mcl): runs behind `#L`, with the game, its rule and the board.

Source: the format description of Mirek's Cellebration. Letters: `.` = 0, `A`..`X` = 1..24, `aA`..`jO` = 25..255.
"""

import re

from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern import MAX_CELLS, Canvas, Pattern, run_length
from aetheria.files.pattern_text import lines_of

_TOKEN = re.compile(r"([\d\s]*)([.$]|[a-i]?[A-X]|j[A-O])")
_BOARD = re.compile(r"(\d{1,9})\s*[xX,]\s*(\d{1,9})")
_GAMES = ("life", "generations", "larger than life", "rules table")  # whose rules have the notation of other programs


def read_mcell(text: str, where: str, live: int = 1) -> Pattern:
    """Parses the text of a MCell file. A board gives a plane of its size, or a torus if the board wraps.

    Args:
        where: name of the source, for errors.
        live: the state of a live cell of the two-state game Life.

    Raises:
        FileUnreadableError: a character outside the format, or a pattern over 2^28 cells.
    """
    about: dict[str, str] = {}
    runs: list[str] = []
    for line in lines_of(text):
        key, _, value = line.strip().partition(" ")
        if key == "#L":
            runs.append(value)
        elif key.startswith("#"):
            about.setdefault(key[1:].casefold(), value.strip())
    canvas = Canvas(where)
    two_states = about.get("game", "Life").casefold() == "life"
    height, width = _expand("".join(runs), canvas, live if two_states else 1)
    return Pattern(canvas.drawing(0, 0, height, width), _rule(about))


def _rule(about: dict[str, str]) -> str | None:
    game, rule = about.get("game", "Life"), about.get("rule", "")
    if game.casefold() == "rules table" and about.get("golly"):
        rule = about["golly"]  # Golly's addition: the name of the table
    elif game.casefold() not in _GAMES:
        rule = f"{game} {rule}".strip()
    elif not rule:
        if game.casefold() != "life":
            return game
        rule = "23/3"
    board = _BOARD.fullmatch(about.get("board", ""))
    if board is None:
        return rule
    surface = "T" if about.get("wrap", "0").casefold() in ("1", "on", "true") else "P"
    return f"{rule}:{surface}{board[1]},{board[2]}"


def _expand(body: str, canvas: Canvas, live: int) -> tuple[int, int]:
    y = x = at = height = width = 0
    while token := _TOKEN.match(body, at):
        at = token.end()
        count, tag = run_length(token[1]), token[2]
        if tag == "$":
            y, x = y + count, 0
        else:
            if tag != "." and count:
                canvas.add(y, x, count, live if tag == "A" else _state(tag))
            x += count
            height, width = y + 1, max(width, x)
        if max(y, x) > MAX_CELLS:
            raise FileUnreadableError(f"{canvas.where}: more than {MAX_CELLS:,} cells; expected {MAX_CELLS:,} at most")
    if rest := body[at:].strip():
        raise FileUnreadableError(f'{canvas.where}: "{rest[:20]}" behind #L is no run of a MCell file')
    return height, width


def _state(tag: str) -> int:
    letter = ord(tag[-1]) - ord("A") + 1
    return letter if len(tag) == 1 else 24 * (ord(tag[0]) - ord("a") + 1) + letter
