"""All universes of a batch, small. No Qt."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from viewer.dynamics.watch import newest
from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

MOST = 1024  # tiles
_ACROSS = 1024  # values along the side of the sheet


@dataclass(frozen=True)
class Sheet:
    """Tiles of equal size in rows, in an area of a screen; all in pixels.

    Attributes:
        count: number of tiles.
        columns: tiles in a row.
        tile: (height, width) of a tile.
        gap: pixels around each tile.
    """

    count: int
    columns: int
    tile: tuple[float, float]
    gap: float

    def place(self, index: int) -> tuple[float, float]:
        """(top, left) of a tile."""
        row, column = divmod(index, self.columns)
        return self.gap + row * (self.tile[0] + self.gap), self.gap + column * (self.tile[1] + self.gap)

    def index_at(self, down: float, right: float) -> int | None:
        """The tile at a point; None between tiles and beyond them."""
        row, y = divmod(down - self.gap, self.tile[0] + self.gap)
        column, x = divmod(right - self.gap, self.tile[1] + self.gap)
        index = int(row * self.columns + column)
        inside = y < self.tile[0] and x < self.tile[1] and 0 <= column < self.columns and row >= 0
        return index if inside and index < self.count else None


def sheet_for(count: int, grid: tuple[int, int], area: tuple[int, int], gap: float = 4.0) -> Sheet:
    """The sheet with the largest tiles.

    Args:
        count: number of tiles, 1 or more.
        grid: (height, width) of a tile in cells.
        area: (height, width) of the sheet in pixels.
    """

    def scale(columns: int) -> float:
        rows = math.ceil(count / columns)
        return min((area[0] - gap * (rows + 1)) / rows / grid[0], (area[1] - gap * (columns + 1)) / columns / grid[1])

    columns = max(range(1, count + 1), key=scale)
    best = max(scale(columns), 1 / max(grid))
    return Sheet(count, columns, (grid[0] * best, grid[1] * best), gap)


class UniversesView:
    """Samples the displayed field of all universes."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None or source.universes < 2:
            return "There is one universe. A config with batch = 16, for example, has more."
        side = max(8, _ACROSS // math.ceil(math.sqrt(source.universes)))
        return SampleRequest((settings.field,), size=side, universe=None, slice=settings.slice, colours=True)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Sample | None]:
        return newest
