"""`Pattern`, the content of a pattern file, and the canvas that its readers draw on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError

MAX_CELLS = 1 << 28  # of a pattern; a larger one is refused before it is expanded
_FARTHEST = 1 << 62


@dataclass(frozen=True)
class Pattern:
    """The content of a pattern file.

    Attributes:
        cells: `(height, width)`, uint8 states.
        rule: the rule that the file names, as it stands there and whole, with its bounded grid; None if it names none.
        name: its title, or None.
        corner: (y, x) of the first cell in the file's own coordinates, or None.
        generation: at which the cells were saved.
        notes: facts about the file that a user should read, a sentence each.
    """

    cells: NDArray[np.uint8]
    rule: str | None = None
    name: str | None = None
    corner: tuple[int, int] | None = None
    generation: int = 0
    notes: tuple[str, ...] = ()

    @property
    def live_box(self) -> tuple[slice, slice]:
        """The smallest box with all cells above 0; of size 0 when there are none."""
        rows, columns = (np.flatnonzero(self.cells.any(axis)) for axis in (1, 0))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    @property
    def newest_row(self) -> NDArray[np.uint8]:
        """The last row with cells above 0, `(1, W)`: the present state of a rule of one dimension."""
        rows, _ = self.live_box
        last = max(0, rows.stop - 1)
        return self.cells[last : last + 1]


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

    def cells(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """The cells of a box that holds all runs. Raises FileUnreadableError when it is too large."""
        check_size(height, width, self.where)
        cells = np.zeros((height, width), np.uint8)
        for y, x, count, state in self.runs:
            cells[y - top, x - left : x - left + count] = state
        return cells


def check_size(height: int, width: int, where: str) -> None:
    """Raises FileUnreadableError when a pattern of this size would have more than 2^28 cells."""
    if height * width > MAX_CELLS:
        raise FileUnreadableError(f"{where}: {height:,} x {width:,} cells; expected {MAX_CELLS:,} at most")


def run_length(digits: str) -> int:
    """The count before a run's letter, 1 if there is none; above `MAX_CELLS` for one of too many digits."""
    count = "".join(digits.split())
    return int(count or 1) if len(count) < 10 else MAX_CELLS + 1
