"""View settings: the displayed field, its colours and levels; and requests for frames. No Qt."""

from dataclasses import dataclass
from typing import Literal

from viewer.model.plane import PlaneSlice
from viewer.model.region import Region

Levels = tuple[float, float]
LevelMode = Literal["auto", "percentile", "locked"]


@dataclass(frozen=True)
class FieldChoice:
    """A field to display: its name, formula, unit, range (None for an open end), colour map, and whether it is an angle."""

    name: str
    meaning: str
    unit: str
    range: tuple[float | None, float | None]
    colours: str
    cyclic: bool = False


@dataclass(frozen=True)
class ViewSettings:
    """The displayed field and universe, with colours and levels.

    Attributes:
        colours: name of a colour map; None for the default of the field.
        level_mode: "auto" (lowest to highest visible value), "percentile" (without the outermost `percentile` per cent at
            either end) or "locked" (`levels`).
        slice: the displayed slice of a volume; None for other grids.
    """

    field: str
    universe: int = 0
    colours: str | None = None
    level_mode: LevelMode = "auto"
    percentile: float = 1.0
    levels: Levels | None = None
    slice: PlaneSlice | None = None


@dataclass(frozen=True)
class FrameRequest:
    """A request to a source: a region, rendered with at most `size` (height, width) pixels, `rate` times a second."""

    view_settings: ViewSettings
    region: Region
    size: tuple[int, int]
    rate: float = 60.0
