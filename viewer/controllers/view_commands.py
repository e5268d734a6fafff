"""Actions on the view: field, slice, colours, levels and zoom. No Qt."""

from dataclasses import replace
from typing import Any

from aetheria.observe.colour_maps import COLOUR_MAPS
from aetheria.observe.request import Cut
from viewer.controllers.component import ViewInterface
from viewer.model.frame import RenderedFrame
from viewer.model.model import ViewerModel
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice, LevelMode, Levels, Mix, MixKind
from viewer.sources.source import FrameSource

OWN_COLOURS = "rgb"  # the field without a colour map


class ViewCommands:
    """The part of the controller that changes the view settings and moves the view."""

    view: ViewInterface
    model: ViewerModel
    source: FrameSource | None
    frame: RenderedFrame | None

    @property
    def plane(self) -> Plane | None:
        """The plane that is shown; None without a source."""
        settings = self.model.view_settings
        return None if self.source is None or settings is None else replace(self.source.plane, slice=settings.slice)

    def set_slice(self, axis: str, cut: Cut) -> None:
        """Shows another slice of a volume, at an index or the "mean" or "max" along the axis."""
        plane, settings = self.plane, self.model.view_settings
        if plane is None or plane.slice is None or settings is None:
            return
        other = plane.with_slice(axis, cut)
        if axis == plane.slice.axis:
            self.model.change_view(slice=other.slice)
            return
        region = Region(0, 0, *other.grid)
        self.model.set(view_settings=replace(settings, slice=other.slice), region=region, pinned=None)
        self.view.show_plane(other)

    def next_slice(self) -> None:
        """Shows the next slice of a volume."""
        self._move_slice(1)

    def previous_slice(self) -> None:
        """Shows the previous slice of a volume."""
        self._move_slice(-1)

    def next_axis(self) -> None:
        """Slices a volume across its next axis, in the middle unless it is a mean or maximum."""
        plane = self.plane
        if plane is not None and plane.slice is not None:
            axis = plane.axes[(plane.axes.index(plane.slice.axis) + 1) % len(plane.axes)]
            cut = plane.slice.cut
            self.set_slice(axis, plane.sides[axis] // 2 if isinstance(cut, int) else cut)

    def _move_slice(self, by: int) -> None:
        plane = self.plane
        if plane is not None and plane.slice is not None:
            axis, cut = plane.slice.axis, plane.slice.cut
            self.set_slice(axis, cut + by if isinstance(cut, int) else plane.sides[axis] // 2)

    @property
    def choice(self) -> FieldChoice | None:
        """The displayed field."""
        settings = self.model.view_settings
        if self.source is None or settings is None:
            return None
        return next((choice for choice in self.source.fields if choice.name == settings.field), None)

    def set_field(self, name: str) -> None:
        """Shows a field, in its default colours and with automatic levels; of a mix, as its first field."""
        settings = self.model.view_settings
        mix = None if settings is None or settings.mix is None or name == OWN_COLOURS else replace(settings.mix, levels=())
        self.model.change_view(field=name, colours=None, level_mode="auto", levels=None, log=False, mix=mix)

    @property
    def mixable(self) -> list[str]:
        """Names of the fields that can be mixed: those with a colour map."""
        return [] if self.source is None else [choice.name for choice in self.source.fields if choice.name != OWN_COLOURS]

    def set_mix(self, kind: MixKind | None) -> None:
        """Shows three fields as red, green and blue, or a blend of two: the displayed one and those after it; None for one."""
        settings, names = self.model.view_settings, self.mixable
        if settings is None or not names or kind is None:
            self.model.change_view(mix=None)
            return
        field = settings.field if settings.field in names else names[0]
        first = names.index(field)
        others = [names[(first + k) % len(names)] for k in (1, 2)]
        self.model.change_view(field=field, mix=Mix(kind, tuple(others if kind == "rgb" else others[:1])))

    def next_mix(self) -> None:
        """Shows one field, three as red, green and blue, or a blend of two: the next of them."""
        settings = self.model.view_settings
        if settings is not None:
            kinds: tuple[MixKind | None, ...] = (None, "rgb", "blend")
            now = settings.mix.kind if settings.mix is not None else None
            self.set_mix(kinds[(kinds.index(now) + 1) % 3])

    def change_mix(self, **changes: Any) -> None:
        """Changes parts of the mix."""
        settings = self.model.view_settings
        if settings is not None and settings.mix is not None:
            self.model.change_view(mix=replace(settings.mix, **changes))

    def next_field(self) -> None:
        """Shows the next field."""
        self._turn_field(1)

    def previous_field(self) -> None:
        """Shows the previous field."""
        self._turn_field(-1)

    def _turn_field(self, by: int) -> None:
        if self.source is not None and self.model.view_settings is not None:
            names = [choice.name for choice in self.source.fields]
            if len(names) > 1:  # else the levels would be unlocked for nothing
                self.set_field(names[(names.index(self.model.view_settings.field) + by) % len(names)])

    def next_universe(self) -> None:
        """Shows the next universe of the batch."""
        if self.source is not None and self.model.view_settings is not None:
            self.model.change_view(universe=(self.model.view_settings.universe + 1) % self.source.universes)

    def next_colours(self) -> None:
        """Switches to the next colour map."""
        choice, settings = self.choice, self.model.view_settings
        if choice is not None and settings is not None:
            maps = list(dict.fromkeys((*COLOUR_MAPS, choice.colours, settings.colours or choice.colours)))
            self.model.change_view(colours=maps[(maps.index(settings.colours or choice.colours) + 1) % len(maps)])

    def levels_auto(self) -> None:
        """Levels from the lowest to the highest visible value."""
        self.model.change_view(level_mode="auto", levels=None)

    def levels_range(self) -> None:
        """Levels from the lowest to the highest visible value, whatever the range of the field."""
        self.model.change_view(level_mode="range", levels=None)

    def levels_symmetric(self) -> None:
        """Levels at equal distances from zero."""
        self.model.change_view(level_mode="symmetric", levels=None, log=False)

    def toggle_log(self) -> None:
        """Colours by the logarithm of the values, or by the values."""
        settings = self.model.view_settings
        if settings is not None:
            mode = "range" if settings.level_mode in ("symmetric", "locked") else settings.level_mode
            self.model.change_view(log=not settings.log, level_mode=mode, levels=None)

    def set_gamma(self, gamma: float) -> None:
        """Raises the places of colours in the map to a power."""
        self.model.change_view(gamma=gamma)

    def levels_percentile(self) -> None:
        """Levels without the outermost values."""
        self.model.change_view(level_mode="percentile", levels=None)

    def levels_locked(self, levels: Levels | None = None) -> None:
        """Fixes the levels: the given ones, or the present ones."""
        present = levels or (self.frame.levels if self.frame is not None else None)
        mode: LevelMode = "locked" if present is not None else "auto"
        self.model.change_view(level_mode=mode, levels=present)
        if self.frame is not None:
            self.change_mix(levels=self.frame.other_levels)

    def fit(self) -> None:
        """Shows the whole grid."""
        if self.plane is not None:
            self.view.show_region(Region(0, 0, *self.plane.grid))

    def one_to_one(self) -> None:
        """One pixel per cell."""
        self.view.zoom(None)

    def zoom_in(self) -> None:
        """Zooms in by a factor of two."""
        self.view.zoom(2.0)

    def zoom_out(self) -> None:
        """Zooms out by a factor of two."""
        self.view.zoom(0.5)

    def toggle_follow(self) -> None:
        """Starts or stops following the centre of mass."""
        self.model.set(follow=not self.model.follow)

    def toggle_grid(self) -> None:
        """Shows or hides the lines between cells."""
        self.model.set(grid_lines=not self.model.grid_lines)

    def toggle_theme(self) -> None:
        """Switches between the light and the dark theme."""
        self.model.set(theme="light" if self.model.theme == "dark" else "dark")
