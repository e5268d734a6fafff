"""Macrocell patterns (.mc): a quadtree whose equal branches are written once, read into a flat array.

Source: "Macrocell" on the LifeWiki. A line is a node: a leaf of 8 x 8 cells in `.`, `*` and `$`, or the level and the numbers
of the four branches NW, NE, SW, SE (0 is empty). With more than two states, level 1 holds the four states themselves.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern import Canvas, Drawing, Pattern, check_size
from aetheria.files.pattern_text import lines_of

_DEEPEST = 1000
_KEPT = 6  # highest level whose squares are expanded once and kept
_QUARTERS = ((0, 0), (0, 1), (1, 0), (1, 1))
_NODE = re.compile(r"(\d{1,4})\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s*")
Box = tuple[int, int, int, int]  # top, left, bottom, right
Block = NDArray[np.uint8]


@dataclass(frozen=True)
class _Node:
    """A square of 2^level cells a side.

    Attributes:
        branches: the numbers of its four quarters; empty for a square whose cells are given.
        cells: `(2^level, 2^level)`, or None.
        box: around the cells above 0; None where there are none.
    """

    level: int
    branches: tuple[int, ...]
    cells: Block | None
    box: Box | None


def read_macrocell(text: str, where: str, live: int = 1) -> Pattern:
    """Parses the text of a macrocell file.

    Args:
        where: name of the source, for errors.
        live: the state of a live cell of a two-state pattern.

    Raises:
        FileUnreadableError: no macrocell, a node that is not in the file, or live cells in a box over 2^28 cells.
    """
    rule, generation = None, 0
    nodes = [_Node(0, (), None, None)]
    for number, line in enumerate(lines_of(text), 1):
        line = line.strip()
        if line.startswith("#R"):
            rule = line[2:].strip() or None
        elif line.startswith("#G"):
            generation = int(line[2:]) if re.fullmatch(r"\s*\d{1,18}", line[2:]) else 0
        elif line and not line.startswith(("#", "[")):
            nodes.append(_node(line, nodes, f"{where}: line {number}", live))
    root = nodes[-1]
    if root.box is None:
        return Pattern(Canvas(where).drawing(0, 0, 0, 0), rule, generation=generation)
    top, left, bottom, right = root.box
    check_size(bottom - top, right - left, where)
    drawing = Drawing(
        (bottom - top, right - left),
        (0, 0, bottom - top, right - left),
        max(int(node.cells.max()) for node in nodes if node.cells is not None),
        lambda y, x, height, width: _drawn(nodes, top + y, left + x, height, width),
    )
    half = 1 << root.level >> 1
    # The root's quarters meet at (1, 0): Golly's rows are counted from the bottom.
    return Pattern(drawing, rule, corner=(top - half + 1, left - half), generation=generation)


def _node(line: str, nodes: list[_Node], where: str, live: int) -> _Node:
    if line[0] in ".*$":
        return _square(_leaf(line, where, live))
    found = _NODE.fullmatch(line)
    if found is None:
        raise FileUnreadableError(f'{where}: "{line[:40]}"; expected a leaf of . * $, or a level and four branches')
    level, *branches = map(int, found.groups())
    if level == 1:
        if max(branches) > 255:
            raise FileUnreadableError(f"{where}: state {max(branches)}; expected 0 to 255")
        return _square(np.array(branches, np.uint8).reshape(2, 2))
    if not 2 <= level <= _DEEPEST:
        raise FileUnreadableError(f"{where}: level {level}; expected 1 to {_DEEPEST}")
    for branch in branches:
        if branch >= len(nodes) or (branch and nodes[branch].level != level - 1):
            raise FileUnreadableError(f"{where}: branch {branch} is no earlier node of level {level - 1}")
    half = 1 << (level - 1)
    boxes = [_moved(nodes[branch].box, y * half, x * half) for branch, (y, x) in zip(branches, _QUARTERS, strict=True)]
    return _Node(level, tuple(branches), None, _around([box for box in boxes if box is not None]))


def _leaf(line: str, where: str, live: int) -> Block:
    cells = np.zeros((8, 8), np.uint8)
    y = x = 0
    for letter in line:
        if letter == "$":
            y, x = y + 1, 0
        elif letter not in ".*" or y > 7 or x > 7:
            raise FileUnreadableError(f'{where}: "{line[:40]}"; expected 8 rows of 8 cells in . and *, each ended by $')
        else:
            cells[y, x] = live if letter == "*" else 0
            x += 1
    return cells


def _square(cells: Block) -> _Node:
    rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1) if rows.size else None
    return _Node(len(cells).bit_length() - 1, (), cells, box)


def _around(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)


def _moved(box: Box | None, y: int, x: int) -> Box | None:
    return None if box is None else (box[0] + y, box[1] + x, box[2] + y, box[3] + x)


def _drawn(nodes: list[_Node], top: int, left: int, height: int, width: int) -> Block:
    """The cells of the root from (top, left) on."""
    cells, squares = np.zeros((height, width), np.uint8), dict[int, Block]()
    to_do = [(len(nodes) - 1, -top, -left)]  # a node, and its corner in `cells`
    while to_do:
        number, y, x = to_do.pop()
        node = nodes[number]
        side = 1 << node.level
        if node.box is None or not (-side < y < height and -side < x < width):
            continue
        if node.level > _KEPT:
            half = side // 2
            to_do += [(b, y + dy * half, x + dx * half) for b, (dy, dx) in zip(node.branches, _QUARTERS, strict=True)]
            continue
        square = _expanded(number, nodes, squares)
        first_y, first_x = max(0, -y), max(0, -x)  # what lies outside is empty
        part = square[first_y : height - y, first_x : width - x]
        cells[y + first_y : y + first_y + part.shape[0], x + first_x : x + first_x + part.shape[1]] = part
    return cells


def _expanded(number: int, nodes: list[_Node], squares: dict[int, Block]) -> Block:
    node = nodes[number]
    if node.cells is not None:
        return node.cells
    if number not in squares:
        half = 1 << (node.level - 1)
        square = np.zeros((2 * half, 2 * half), np.uint8)
        for branch, (y, x) in zip(node.branches, _QUARTERS, strict=True):
            if nodes[branch].box is not None:
                square[y * half : (y + 1) * half, x * half : (x + 1) * half] = _expanded(branch, nodes, squares)
        squares[number] = square
    return squares[number]
