"""`Block`: a box of cells of a grid with any number of axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType


@dataclass(frozen=True)
class Block:
    """A box of cells.

    Attributes:
        corner: its first cell along each axis, in the order of the grid's axes: (top, left) in two dimensions.
        size: cells along each axis.
    """

    corner: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def index(self) -> tuple[EllipsisType | slice, ...]:
        """The index of the block in an array `(..., *grid)`."""
        return (..., *(slice(first, first + size) for first, size in zip(self.corner, self.size, strict=True)))

    def inside(self, grid: Sequence[int]) -> bool:
        """Whether it has the grid's number of axes, at least one cell, and lies within the grid."""
        if not len(self.corner) == len(self.size) == len(grid):
            return False
        return all(
            first >= 0 and size >= 1 and first + size <= end
            for first, size, end in zip(self.corner, self.size, grid, strict=True)
        )

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.size))} cells at ({', '.join(map(str, self.corner))})"
