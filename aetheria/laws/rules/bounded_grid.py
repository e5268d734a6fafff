"""Bounded grids: the suffix of a rule text that gives the grid's shape and size, as in B3/S23:T30,20.

Source: Golly's help, "Bounded grids".
"""

import re
from dataclasses import dataclass

SURFACES = {"P": "plane", "T": "torus", "K": "Klein bottle", "C": "cross-surface", "S": "sphere"}
_SIDE = r"(\d{1,9})(\*?)([+-]\d{1,9})?"
_SUFFIX = re.compile(rf"([PTKCS]){_SIDE}(?:,{_SIDE})?", re.IGNORECASE)


@dataclass(frozen=True)
class BoundedGrid:
    """The shape and size of a grid.

    Attributes:
        surface: a letter of `SURFACES`.
        height, width: in cells; 0 where the grid is unbounded in this direction.
        shift_x, shift_y: cells by which the horizontal and the vertical edges are shifted before they are joined.
        twist_x, twist_y: these edges are reversed before they are joined; of a Klein bottle.
    """

    surface: str
    height: int
    width: int
    shift_x: int = 0
    shift_y: int = 0
    twist_x: bool = False
    twist_y: bool = False

    @property
    def boundary(self) -> str | None:
        """The law's boundary that is the same (see `aetheria.laws.topology`); None where a side is unbounded."""
        if not (self.height and self.width):
            return None
        if self.surface in "CS":
            return "cross-surface" if self.surface == "C" else "sphere"
        if self.surface == "K":
            return f"klein-{'x' if self.twist_x else 'y'}{_signed(self.shift_x or self.shift_y)}"
        if self.shift_x or self.shift_y:
            return f"periodic-{'x' if self.shift_x else 'y'}{_signed(self.shift_x or self.shift_y)}"
        return "zero" if self.surface == "P" else "periodic"

    @property
    def suffix(self) -> str:
        """The text after the colon, in capitals."""
        if self.surface == "S":
            return f"S{self.width}"
        x = f"{self.width}{'*' * self.twist_x}{_signed(self.shift_x)}"
        return f"{self.surface}{x},{self.height}{'*' * self.twist_y}{_signed(self.shift_y)}"

    def __str__(self) -> str:
        sides = " x ".join(str(side or "unbounded") for side in (self.height, self.width))
        shifted = " with shifted edges" if self.shift_x or self.shift_y else ""
        return f"{SURFACES[self.surface]} of {sides} cells{shifted}"


def read_bounded_grid(suffix: str) -> BoundedGrid:
    """Reads the text after the colon of a rule, as in "T30,20" (width, height).

    Raises:
        ValueError: the text is no such suffix; says the part at fault.
    """
    found = _SUFFIX.fullmatch(suffix.replace(" ", ""))
    if found is None:
        raise ValueError(f'the bounded grid ":{suffix}" is not P, T, K, C or S with width and height, as in ":T30,20"')
    surface = found[1].upper()
    width, height = int(found[2]), int(found[5] if found[5] is not None else found[2])
    grid = BoundedGrid(surface, height, width, int(found[4] or 0), int(found[7] or 0), bool(found[3]), bool(found[6]))
    if surface == "S" and height != width:
        raise ValueError(f'the bounded grid ":{suffix}" is none: a sphere has equal sides, as in ":S30"')
    if (grid.twist_x or grid.twist_y) != (surface == "K") or (grid.twist_x and grid.twist_y):
        raise ValueError(
            f'the bounded grid ":{suffix}" is none: a Klein bottle, and only it, has one side with *, as in ":K30*,20"'
        )
    if (grid.shift_x or grid.shift_y) and (surface not in "TK" or (grid.shift_x and grid.shift_y)):
        raise ValueError(f'the bounded grid ":{suffix}" is none: a torus or a Klein bottle may have one shifted side')
    if surface == "K" and not _shifts_as_it_twists(grid):
        raise ValueError(
            f'the bounded grid ":{suffix}" is none: of a Klein bottle the twisted side may be shifted, by 1, if it is even'
        )
    return grid


def _shifts_as_it_twists(grid: BoundedGrid) -> bool:
    """Whether a Klein bottle's shift, if any, is one of a twisted side of even length, by one."""
    if grid.shift_x:
        return grid.twist_x and grid.shift_x == 1 and grid.width % 2 == 0
    return not grid.shift_y or (grid.twist_y and grid.shift_y == 1 and grid.height % 2 == 0)


def _signed(shift: int) -> str:
    return f"{shift:+d}" if shift else ""
