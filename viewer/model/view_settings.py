"""View settings: the displayed field, its colours and levels; and requests for frames. No Qt."""

from dataclasses import dataclass, replace
from typing import Literal

from viewer.model.plane import PlaneSlice
from viewer.model.region import Region

Levels = tuple[float, float]
MixKind = Literal["rgb", "blend"]
LevelMode = Literal["auto", "range", "percentile", "symmetric", "locked"]


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
class Mix:
    """Further fields that are displayed together with the first.

    Attributes:
        kind: "rgb" (three fields as red, green and blue) or "blend" (two fields, each in its colour map).
        fields: the other two, or the other one.
        colours: colour map of the second field of a blend; None for its default.
        share: of the second field in a blend, 0 to 1.
        levels: locked levels of `fields`.
    """

    kind: MixKind
    fields: tuple[str, ...]
    colours: str | None = None
    share: float = 0.5
    levels: tuple[Levels, ...] = ()


@dataclass(frozen=True)
class ViewSettings:
    """The displayed field and universe, with colours and levels.

    Attributes:
        colours: name of a colour map; None for the default of the field.
        level_mode: "auto" (the field's range, or lowest to highest visible value), "range" (lowest to highest visible value),
            "percentile" (without the outermost `percentile` per cent at either end), "symmetric" (about zero) or "locked"
            (`levels`).
        log: colours are by the logarithm of the values; those of 0 and below have the lowest colour.
        gamma: the place of a colour in the map is raised to this power: below 1 low values become lighter.
        mix: further fields that are displayed with this one; None for one field.
        slice: the displayed slice of a volume; None for other grids.
    """

    field: str
    universe: int = 0
    colours: str | None = None
    level_mode: LevelMode = "auto"
    percentile: float = 1.0
    levels: Levels | None = None
    slice: PlaneSlice | None = None
    log: bool = False
    gamma: float = 1.0
    mix: Mix | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """All displayed fields."""
        return (self.field, *(self.mix.fields if self.mix is not None else ()))

    def of_field(self, number: int) -> "ViewSettings":
        """The settings by which the levels of a displayed field are found: of the first one, or one of the mix."""
        if not number or self.mix is None:
            return self
        levels = self.mix.levels[number - 1] if number <= len(self.mix.levels) else None
        return replace(self, field=self.mix.fields[number - 1], levels=levels)

    @property
    def measured(self) -> "ViewSettings":
        """The part that pixels and levels depend on: all but the colours."""
        mix = self.mix and replace(self.mix, colours=None, share=0.5)
        return replace(self, colours=None, gamma=1.0, mix=mix)


@dataclass(frozen=True)
class FrameRequest:
    """A request to a source: a region, rendered with at most `size` (height, width) pixels, `rate` times a second."""

    view_settings: ViewSettings
    region: Region
    size: tuple[int, int]
    rate: float = 60.0
