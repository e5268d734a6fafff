"""Slices of a volume across each of its axes, through one cell. No Qt."""

from collections.abc import Callable
from dataclasses import replace

from viewer.dynamics.watch import newest
from viewer.model.model import ViewerModel
from viewer.model.plane import Plane, PlaneSlice
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource


class Crosshair:
    """A cell of a volume, through which a slice goes across each axis.

    Attributes:
        plane: of the volume, at any slice; None for other grids.
        index: of the cell along each axis, by name.
    """

    def __init__(self) -> None:
        self.plane: Plane | None = None
        self.index: dict[str, int] = {}

    def set_plane(self, plane: Plane | None) -> None:
        """Another volume: the cell is in its middle, and on the slice of the plane."""
        self.plane = plane if plane is not None and plane.slice is not None else None
        self.index = {} if self.plane is None else {axis: side // 2 for axis, side in self.plane.sides.items()}
        self.follow(plane)

    def follow(self, plane: Plane | None) -> None:
        """Moves the cell to the slice of a plane; a mean or maximum leaves it where it is."""
        if self.index and plane is not None and plane.slice is not None and isinstance(plane.slice.cut, int):
            self.index[plane.slice.axis] = plane.slice.cut

    def move(self, axis: str, index: int) -> None:
        """Moves the cell along an axis, inside the volume."""
        assert self.plane is not None
        self.index[axis] = min(max(index, 0), self.plane.sides[axis] - 1)

    def shown(self, number: int) -> tuple[str, str]:
        """Names of the axes down and to the right of the slice across the axis of this number."""
        assert self.plane is not None
        down, right = replace(self.plane, slice=PlaneSlice(self.plane.axes[number], 0)).shown
        return down, right


class SliceView:
    """Samples the slice across one axis through a crosshair."""

    def __init__(self, crosshair: Crosshair, number: int) -> None:
        """
        Args:
            number: of the axis, 0 for the first one of the volume.
        """
        self._crosshair, self._number = crosshair, number

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings, plane = model.view_settings, self._crosshair.plane
        if settings is None or plane is None:
            return "Only grids of three dimensions have slices."
        axis = plane.axes[self._number]
        part = PlaneSlice(axis, self._crosshair.index[axis])
        return SampleRequest((settings.field,), universe=settings.universe, slice=part, colours=True)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Sample | None]:
        return newest
