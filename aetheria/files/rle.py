"""Run-length encoded patterns: Life's RLE files and Lenia's extension of it.

Source: the format description on the LifeWiki; multi-state letters and `#CXRLE` as in Golly: `.`/`b` = 0, `o` = 1, `A`..`X` =
1..24, `pA`..`yO` = 25..255.
"""

import re
from dataclasses import dataclass

from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern import MAX_CELLS as MAX_CELLS
from aetheria.files.pattern import Canvas, Pattern, run_length
from aetheria.files.pattern_text import lines_of

_TOKEN = re.compile(r"([\d\s]*)([.bo$!]|[p-x]?[A-X]|y[A-O])")
_HEADER = re.compile(r"\s*(?:x|y|rule)\s*=", re.IGNORECASE)
_SIDE = re.compile(r"\b([xy])\s*=\s*([^\s,]*)", re.IGNORECASE)
_RULE = re.compile(r"\brule\s*=\s*(.*)", re.IGNORECASE)
_CXRLE = re.compile(
    r"#CXRLE\b(?=(?:.*\bPos\s*=\s*(-?\d{1,18})\s*,\s*(-?\d{1,18}))?)(?=(?:.*\bGen\s*=\s*(\d{1,18}))?)", re.IGNORECASE
)
_CORNER = re.compile(r"#[PR]\s*(-?\d{1,18})[\s,]+(-?\d{1,18})\s*")


@dataclass
class _Header:
    """The lines above and between the runs."""

    width: int | None = None
    height: int | None = None
    rule: str | None = None
    name: str | None = None
    corner: tuple[int, int] | None = None
    generation: int = 0


def read_rle(text: str, where: str, live: int = 1) -> Pattern:
    """Parses the text of an RLE file: comments (#...), an optional "x = .., y = .., rule = .." header, and the runs.

    The runs decide on the size of the pattern where they leave the box of the header; dead cells need not be written.

    Args:
        where: name of the source, for errors.
        live: the state of the letter `o`; 255 for laws of real values, in which it means a full cell.

    Raises:
        FileUnreadableError: a character outside the format, no "!" at the end (a truncated file), a header without numbers,
            or a pattern over 2^28 cells.
    """
    header, body = _split(text, where)
    canvas = Canvas(where)
    height, width = _expand(body, canvas, live)
    _, _, lowest, rightmost = canvas.box()
    notes: tuple[str, ...] = ()
    if header.height is not None and header.width is not None:
        stated = header.height, header.width
        height, width = max(stated[0], lowest), max(stated[1], rightmost)
        if height * width > MAX_CELLS >= lowest * rightmost:
            height, width = lowest, rightmost
        if (height, width) != stated:
            size = f"{lowest:,} x {rightmost:,} cells (height x width)"
            notes = (f"{where}: the runs have {size}, and the header says {_size(stated)}; the runs decide",)
    drawing = canvas.drawing(0, 0, height, width)
    return Pattern(drawing, header.rule, header.name, header.corner, header.generation, notes)


def _split(text: str, where: str) -> tuple[_Header, str]:
    """The header, and the runs up to the end or the line of the first "!"."""
    header, body = _Header(), []
    for line in lines_of(text):
        if line.lstrip().startswith("#"):
            _read_comment(header, line.strip())
        elif _HEADER.match(line):
            _read_header(header, line, where)
        else:
            body.append(line)
            if "!" in line:
                break
    return header, "\n".join(body)


def _read_header(header: _Header, line: str, where: str) -> None:
    named = _RULE.search(line)
    if named:
        header.rule = named[1].strip().strip("\"'").rstrip(", ").strip() or header.rule
        line = line[: named.start()]
    for key, value in _SIDE.findall(line):
        if not re.fullmatch(r"[+-]?\d+", value):
            raise FileUnreadableError(f'{where}: {key} = "{value[:40]}" in the header; expected a number of cells')
        side = max(0, int(value)) if len(value) < 19 else 10**18
        if key in "xX":
            header.width = side
        else:
            header.height = side


def _read_comment(header: _Header, line: str) -> None:
    if found := _CXRLE.match(line):
        header.corner = (int(found[2]), int(found[1])) if found[1] else header.corner
        header.generation = int(found[3] or 0)
    elif found := _CORNER.fullmatch(line):
        header.corner = int(found[2]), int(found[1])
    elif line.startswith("#N"):
        header.name = header.name or line[2:].strip() or None
    elif line.startswith("#r"):  # the rule, in files without header
        header.rule = header.rule or line[2:].strip() or None


def _expand(body: str, canvas: Canvas, live: int) -> tuple[int, int]:
    """Draws the runs; returns the height up to the last row with cells, and the width of the longest row."""
    y = x = at = height = width = 0
    while token := _TOKEN.match(body, at):
        at = token.end()
        count, tag = run_length(token[1]), token[2]
        if tag == "!":
            return height, width
        if tag == "$":
            y, x = y + count, 0
        else:
            state = _state(tag, live)
            if state and count:
                canvas.add(y, x, count, state)
            x += count
            height, width = y + 1, max(width, x)
        if max(y, x) > MAX_CELLS:
            raise FileUnreadableError(f"{canvas.where}: more than {MAX_CELLS:,} cells; expected {MAX_CELLS:,} at most")
    rest = body[at:].lstrip()
    if rest.strip("0123456789 \t\r\n"):
        place = len(body) - len(rest)
        raise FileUnreadableError(f"{canvas.where}: {rest[0]!r} at character {place + 1} of the runs is not an RLE run")
    raise FileUnreadableError(f'{canvas.where}: the runs end without "!"; the file is truncated')


def _state(tag: str, live: int) -> int:
    if tag in ".b":
        return 0
    if tag == "o":
        return live
    letter = ord(tag[-1]) - ord("A") + 1
    return letter if len(tag) == 1 else 24 * (ord(tag[0]) - ord("p") + 1) + letter


def _size(sides: tuple[int, int]) -> str:
    return f"{sides[0]:,} x {sides[1]:,}"
