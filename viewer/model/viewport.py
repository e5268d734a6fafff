"""The viewport: the visible part of the plane of cells, and its scale. No Qt.

Coordinates are cells, y down and x to the right; pixels are physical pixels of the screen.
"""

import math
from dataclasses import dataclass, replace

from viewer.model.region import Region

LARGEST = 128.0  # largest size of a cell in pixels
_FURTHEST = 0.25  # smallest scale, relative to the scale that fits the grid (or 1:1, if that is smaller)


@dataclass(frozen=True)
class Viewport:
    """Maps the plane of cells to the screen.

    Attributes:
        grid: (height, width) in cells.
        screen: (height, width) in pixels.
        scale: size of a cell in pixels.
        y, x: the point at the centre of the screen, in cells.
        wraps: the grid is drawn as a torus, repeated beyond its edges.
    """

    grid: tuple[int, int] = (1, 1)
    screen: tuple[int, int] = (1, 1)
    scale: float = 1.0
    y: float = 0.5
    x: float = 0.5
    wraps: bool = False

    # -- coordinates --------------------------------------------------------------------------------------------

    @property
    def top(self) -> float:
        """The upper edge of the screen, aligned to whole pixels, so that all cells look alike."""
        return round(self.y * self.scale - self.screen[0] / 2) / self.scale

    @property
    def left(self) -> float:
        """The left edge of the screen, aligned to whole pixels."""
        return round(self.x * self.scale - self.screen[1] / 2) / self.scale

    def cell_at(self, down: float, right: float) -> tuple[float, float]:
        """(y, x) of a point of the screen, in fractional cells."""
        return self.top + down / self.scale, self.left + right / self.scale

    def pixel_of(self, y: float, x: float) -> tuple[float, float]:
        """(down, right) of a point of the plane, in pixels of the screen."""
        return (y - self.top) * self.scale, (x - self.left) * self.scale

    def region(self) -> Region:
        """The visible cells, whole ones, at least one. Across the edge of a torus: all rows, or columns."""
        (height, width), (rows, columns) = self.grid, self.screen
        y0, y1 = _inside(self.top, self.top + rows / self.scale, height, self.wraps)
        x0, x1 = _inside(self.left, self.left + columns / self.scale, width, self.wraps)
        return Region(y0, x0, y1 - y0, x1 - x0)

    def pixels(self) -> tuple[int, int]:
        """(height, width) of the visible cells, in pixels."""
        region = self.region()
        return max(1, round(region.height * self.scale)), max(1, round(region.width * self.scale))

    @property
    def repeats(self) -> bool:
        """Whether parts of a torus are visible more than once."""
        return any(pixels > cells * self.scale for pixels, cells in zip(self.screen, self.grid, strict=True))

    # -- other viewports ----------------------------------------------------------------------------------------

    def showing(self, region: Region) -> "Viewport":
        """The largest scale that shows all of a region, centred."""
        scale = min(self.screen[0] / region.height, self.screen[1] / region.width)
        return replace(
            self, scale=min(scale, LARGEST), y=region.top + region.height / 2, x=region.left + region.width / 2
        )._kept_in()

    def zoomed(self, factor: float, at: tuple[float, float] | None = None) -> "Viewport":
        """Scaled by a factor about the pixel `at` (down, right), by default the centre."""
        scale = min(max(self.scale * factor, self._smallest()), LARGEST)
        down, right = (at[0] - self.screen[0] / 2, at[1] - self.screen[1] / 2) if at is not None else (0.0, 0.0)
        change = 1 / self.scale - 1 / scale
        return replace(self, scale=scale, y=self.y + down * change, x=self.x + right * change)._kept_in()

    def one_to_one(self) -> "Viewport":
        """One pixel per cell, about the centre."""
        return replace(self, scale=1.0)._kept_in()

    def moved(self, down: float, right: float) -> "Viewport":
        """With the content moved by so many pixels."""
        return replace(self, y=self.y - down / self.scale, x=self.x - right / self.scale)._kept_in()

    def centred(self, y: float, x: float) -> "Viewport":
        """Centred on a point."""
        return replace(self, y=y, x=x)._kept_in()

    def matching(self, other: "Viewport") -> "Viewport":
        """The same part of the plane as another viewport, for a grid of another resolution."""
        rows, columns = self.grid[0] / other.grid[0], self.grid[1] / other.grid[1]
        return replace(self, scale=other.scale / rows, y=other.y * rows, x=other.x * columns)

    def on_screen(self, screen: tuple[int, int]) -> "Viewport":
        """The same on a screen of another size."""
        return replace(self, screen=(max(1, screen[0]), max(1, screen[1])))

    def _smallest(self) -> float:
        fitting = min(self.screen[0] / self.grid[0], self.screen[1] / self.grid[1])
        return min(_FURTHEST * fitting, 1.0, self.scale)

    def _kept_in(self) -> "Viewport":
        """With the centre of the screen inside the grid."""
        height, width = self.grid
        return replace(self, y=min(max(self.y, 0.0), float(height)), x=min(max(self.x, 0.0), float(width)))


def _inside(start: float, end: float, cells: int, wraps: bool) -> tuple[int, int]:
    if wraps and (start < 0 or end > cells):
        return 0, cells
    # Edges are multiples of 1 / scale, rounded: a sliver of a cell does not count.
    first = min(max(math.floor(start + 1e-6), 0), cells - 1)
    last = min(max(math.ceil(end - 1e-6), first + 1), cells)
    return first, last
