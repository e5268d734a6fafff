"""Weights of the cells around a cell, for any range, by the letters of the neighbourhoods in Golly's rules.

Source of the shapes: Golly's help, "Larger than Life"; LifeWiki, "Higher-range outer-totalistic rule".
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.int64]
_HEX = "0123456789abcdef"

# By letter: whether the cell at (y, x) is a neighbour, x to the right and y down. First shapes that depend on the range r; the
# others fill its square. The middle cell always is one.
_DISCS: dict[str, Callable[[Weights, Weights, int], NDArray[np.bool_]]] = {
    "N": lambda y, x, r: abs(x) + abs(y) <= r,
    "C": lambda y, x, r: x * x + y * y <= r * r + r,
    "2": lambda y, x, r: x * x + y * y <= r * r,
    "H": lambda y, x, r: abs(y - x) <= r,
}
_PATTERNS: dict[str, Callable[[Weights, Weights], NDArray[np.bool_]]] = {
    "M": lambda y, x: np.ones(np.broadcast(y, x).shape, np.bool_),
    "B": lambda y, x: (x + y) % 2 == 1,
    "D": lambda y, x: (x + y) % 2 == 0,
    "+": lambda y, x: (x == 0) | (y == 0),
    "X": lambda y, x: abs(x) == abs(y),
    "*": lambda y, x: (x == 0) | (y == 0) | (abs(x) == abs(y)),
    "#": lambda y, x: (abs(x) == 1) | (abs(y) == 1),
    "A": lambda y, x: (x == 0) | (y == 0) | (x == y),
    "3": lambda y, x: ((x == 0) & (y < 0)) | ((y == 0) & (x < 0)) | ((x == y) & (y > 0)),
}
SHAPES = {
    "M": "Moore",
    "N": "von Neumann",
    "C": "circular",
    "2": "Euclidean",
    "B": "checkerboard",
    "D": "aligned checkerboard",
    "+": "cross",
    "X": "saltire",
    "*": "star",
    "#": "hash",
    "H": "hexagonal",
    "A": "asterisk",
    "3": "tripod",
    "L": "triangular",
    "G": "Gaussian",
    "W": "weighted",
    "@": "custom",
}
MOST_RANGE = {"L": 250, "G": 50}  # 500 for all others
GOLLYS_MOST_RANGE = 500


@dataclass(frozen=True)
class Neighbourhood:
    """The cells that count, and how much.

    Attributes:
        letter: a key of `SHAPES`.
        digits: after the letters "@" and "W": the cells or weights in hexadecimal digits, row by row.
        states: after "W": the weight of each state, a hexadecimal digit each; empty where only state 1 counts, once.
        grid: "L" after digits for triangles, "H" for hexagons; else empty.
    """

    letter: str = "M"
    digits: str = ""
    states: str = ""
    grid: str = ""

    @property
    def text(self) -> str:
        """As in a rule, without the "N"."""
        return f"{self.letter}{self.digits}{',' if self.states else ''}{self.states}{self.grid}"

    @property
    def triangular(self) -> bool:
        """Whether cells with odd x + y have the neighbourhood upside down."""
        return self.letter == "L" or self.grid == "L"

    @property
    def counts_middle(self) -> bool:
        """Whether the middle cell's weight is counted in every rule, as it is with weights."""
        return self.letter in "GW"

    def weights(self, reach: int) -> Weights:
        """The weights `(2 reach + 1, 2 width + 1)` of the cells around, the middle cell included with weight 1 or its own.

        Args:
            reach: the range of the rule; triangles reach twice as far along a row, so that `width` is `2 reach` there.
        """
        if self.letter == "L":
            return _triangle(reach)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.int64)
        if self.letter == "G":
            return (reach + 1 - abs(x)) * (reach + 1 - abs(y))
        if self.letter == "W":
            return _weighted(self.digits, 2 * reach + 1)
        if self.letter == "@":
            return _custom(self.digits, 2 * reach + 1)
        disc = _DISCS.get(self.letter)
        inside = _PATTERNS[self.letter](y, x) if disc is None else disc(y, x, reach)
        return (inside | ((x == 0) & (y == 0))).astype(np.int64)

    def most(self, reach: int) -> int:
        """The largest count, of which the middle cell is no part unless `counts_middle`."""
        weights = self.weights(reach)
        heaviest = max(int(digit, 16) for digit in self.states) if self.states else 1
        positive = int(weights[weights > 0].sum()) * heaviest
        return positive if self.counts_middle else positive - 1


def runs_of(weights: Weights) -> list[tuple[int, int, int, int]]:
    """The runs (row, first, end, weight) of equal weights other than zero along each row; places from the middle."""
    reach, found = len(weights) // 2, []
    for row, line in enumerate(weights):
        edges = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
        for first, end in pairwise(edges):
            if line[first]:
                found.append((row - reach, first - reach, end - reach, int(line[first])))
    return found


def check_digits(letter: str, digits: str, reach: int) -> None:
    """Raises ValueError when a custom or weighted neighbourhood has another number of digits than its range needs."""
    side = 2 * reach + 1
    wanted = (side * side // 4,) if letter == "@" else (side * side, 2 * side * side)
    if len(digits) not in wanted:
        expected = " or ".join(map(str, wanted))
        raise ValueError(f"N{letter} has {len(digits)} hexadecimal digits, and range {reach} needs {expected}")


def _triangle(reach: int) -> Weights:
    """Of a cell with even x + y: its row and those above are longer than those below."""
    weights = np.zeros((2 * reach + 1, 4 * reach + 1), np.int64)
    for row in range(-reach, reach + 1):
        half = 2 * reach + 1 + row if row < 0 else 2 * reach - row
        weights[row + reach, 2 * reach - half : 2 * reach + half + 1] = 1
    return weights


def _weighted(digits: str, side: int) -> Weights:
    """One or two digits a cell; the highest bit is the sign."""
    each = len(digits) // (side * side)
    sign = 8 * 16 ** (each - 1)
    numbers = [int(digits[i : i + each], 16) for i in range(0, len(digits), each)]
    return np.array([-(n - sign) if n & sign else n for n in numbers], np.int64).reshape(side, side)


def _custom(digits: str, side: int) -> Weights:
    """A bit a cell, without the middle one, which is put in between."""
    bits = [int(bit) for digit in digits for bit in f"{_HEX.index(digit):04b}"]
    half = len(bits) // 2
    return np.array([*bits[:half], 1, *bits[half:]], np.int64).reshape(side, side)
