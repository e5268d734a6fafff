"""Rectangles of whole cells. No Qt."""

from dataclasses import dataclass

from aetheria.core.block import Block


@dataclass(frozen=True)
class Region:
    """A rectangle of whole cells: its top left corner, height and width."""

    top: int
    left: int
    height: int
    width: int

    @property
    def block(self) -> Block:
        """The rectangle in the form that a motor's request takes."""
        return Block((self.top, self.left), (self.height, self.width))

    def shared(self, other: "Region") -> "Region | None":
        """The intersection, None if it is empty."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - top
        width = min(self.left + self.width, other.left + other.width) - left
        return Region(top, left, height, width) if height > 0 and width > 0 else None

    def around(self, other: "Region") -> "Region":
        """The smallest rectangle that holds both."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom = max(self.top + self.height, other.top + other.height)
        right = max(self.left + self.width, other.left + other.width)
        return Region(top, left, bottom - top, right - left)

    def outside(self, grid: tuple[int, int]) -> "list[Region]":
        """The cells of a grid `(height, width)` beyond it, as at most four rectangles."""
        bottom, right = self.top + self.height, self.left + self.width
        sides = (
            Region(0, 0, self.top, grid[1]),
            Region(bottom, 0, grid[0] - bottom, grid[1]),
            Region(self.top, 0, self.height, self.left),
            Region(self.top, right, self.height, grid[1] - right),
        )
        return [side for side in sides if side.height and side.width]
