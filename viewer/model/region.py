"""Rectangles of whole cells. No Qt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A rectangle of whole cells: its top left corner, height and width."""

    top: int
    left: int
    height: int
    width: int

    def as_tuple(self) -> tuple[int, int, int, int]:
        """(top, left, height, width)."""
        return self.top, self.left, self.height, self.width

    def shared(self, other: "Region") -> "Region | None":
        """The intersection, None if it is empty."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - top
        width = min(self.left + self.width, other.left + other.width) - left
        return Region(top, left, height, width) if height > 0 and width > 0 else None
