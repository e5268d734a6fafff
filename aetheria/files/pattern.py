"""`Pattern`, the content of a pattern file, and the canvas that its readers draw on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError

MAX_CELLS = 1 << 28  # of a pattern; a larger one is refused before it is expanded
_FARTHEST = 1 << 62


@dataclass(frozen=True)
class Drawing:
    """The cells of a pattern, which are drawn where they are wanted: a part takes the memory of its own cells.

    Attributes:
        shape: (height, width).
        box: (top, left, bottom, right) around all cells above 0; zeros where there are none.
        highest: the highest state.
        draw: draws a part: (top, left, height, width).
    """

    shape: tuple[int, int]
    box: tuple[int, int, int, int]
    highest: int
    draw: Callable[[int, int, int, int], NDArray[np.uint8]]

    @property
    def live(self) -> "Drawing":
        """The box around all cells above 0, as a drawing of its own."""
        top, left, bottom, right = self.box
        shape, draw = (bottom - top, right - left), self.draw
        return Drawing(shape, (0, 0, *shape), self.highest, lambda y, x, height, width: draw(top + y, left + x, height, width))


@dataclass(frozen=True)
class Pattern:
    """The content of a pattern file.

    Attributes:
        drawing: of its cells.
        rule: the rule that the file names, as it stands there and whole, with its bounded grid; None if it names none.
        name: its title, or None.
        corner: (y, x) of the first cell in the file's own coordinates, or None.
        generation: at which the cells were saved.
        notes: facts about the file that a user should read, a sentence each.
    """

    drawing: Drawing
    rule: str | None = None
    name: str | None = None
    corner: tuple[int, int] | None = None
    generation: int = 0
    notes: tuple[str, ...] = ()

    @cached_property
    def cells(self) -> NDArray[np.uint8]:
        """All cells `(height, width)`, uint8 states."""
        return self.drawing.draw(0, 0, *self.drawing.shape)

    @property
    def live_box(self) -> tuple[slice, slice]:
        """The smallest box with all cells above 0; of size 0 when there are none."""
        top, left, bottom, right = self.drawing.box
        return slice(top, bottom), slice(left, right)

    @property
    def newest_row(self) -> Drawing:
        """The last row with cells above 0, `(1, W)`: the present state of a rule of one dimension."""
        height, width = self.drawing.shape
        last = max(0, self.drawing.box[2] - 1)
        row = self.drawing.draw(last, 0, min(1, height), width)
        _, columns = live_box(row)
        box = (0, columns.start, int(columns.stop > 0), columns.stop)
        return Drawing(row.shape, box, int(row.max(initial=0)), lambda y, x, height, width: row[y : y + height, x : x + width])


@dataclass
class Canvas:
    """Collects the live runs of a pattern; dead cells cost nothing.

    Attributes:
        where: name of the source, for errors.
        runs: (y, x, count, state) of each run of cells above 0.
    """

    where: str
    runs: list[tuple[int, int, int, int]] = field(default_factory=list)
    _live: int = 0

    def add(self, y: int, x: int, count: int, state: int) -> None:
        """Draws a run of `count` cells, to the right of (y, x)."""
        self._live += count
        if self._live > MAX_CELLS or max(abs(y), abs(x)) > _FARTHEST:
            raise FileUnreadableError(f"{self.where}: more than {MAX_CELLS:,} cells; expected {MAX_CELLS:,} at most")
        self.runs.append((y, x, count, state))

    def box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) around the runs; zeros when there are none."""
        if not self.runs:
            return 0, 0, 0, 0
        top, bottom = min(run[0] for run in self.runs), max(run[0] for run in self.runs) + 1
        return top, min(run[1] for run in self.runs), bottom, max(run[1] + run[2] for run in self.runs)

    def drawing(self, top: int, left: int, height: int, width: int) -> Drawing:
        """The drawing of a box that holds all runs. Raises FileUnreadableError when it is too large."""
        check_size(height, width, self.where)
        runs = np.array([(y - top, x - left, x - left + count, state) for y, x, count, state in self.runs], np.int32)
        runs = runs.reshape(-1, 4)
        box = self.box()
        inside = (box[0] - top, box[1] - left, box[2] - top, box[3] - left) if self.runs else box
        return Drawing((height, width), inside, int(runs[:, 3].max(initial=0)), partial(_draw, runs))


def _draw(runs: NDArray[np.int32], top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
    """The part of the cells that runs (y, first x, last x + 1, state) fill."""
    cells = np.zeros((height, width), np.uint8)
    y, first, end, _ = runs.T
    here = runs[(y >= top) & (y < top + height) & (first < left + width) & (end > left)]
    for row, begin, stop, state in here.tolist():
        cells[row - top, max(0, begin - left) : stop - left] = state
    return cells


def live_box(cells: NDArray[np.generic]) -> tuple[slice, slice]:
    """The smallest box with all cells of `(height, width)` above 0; of size 0 when there are none."""
    rows, columns = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def check_size(height: int, width: int, where: str) -> None:
    """Raises FileUnreadableError when a pattern of this size would have more than 2^28 cells."""
    if height * width > MAX_CELLS:
        raise FileUnreadableError(f"{where}: {height:,} x {width:,} cells; expected {MAX_CELLS:,} at most")


def run_length(digits: str) -> int:
    """The count before a run's letter, 1 if there is none; above `MAX_CELLS` for one of too many digits."""
    count = "".join(digits.split())
    return int(count or 1) if len(count) < 10 else MAX_CELLS + 1
