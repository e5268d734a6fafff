"""The plane that the canvas shows: a grid of two axes, a slice of a volume, or the space-time picture of a row. No Qt."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.block import Block
from aetheria.observe.request import AXIS_NAMES, Cut
from viewer.model.region import Region

_FEWEST_ROWS, _MOST_ROWS = 128, 1024  # of a space-time picture


@dataclass(frozen=True)
class PlaneSlice:
    """A slice of a volume across one axis: at an index, or the "mean" or "max" along the axis."""

    axis: str
    cut: Cut


@dataclass(frozen=True)
class Plane:
    """Maps a grid of one, two or three axes to rows and columns.

    A row of cells is shown as a space-time picture: a row of the plane for each step, the newest at the bottom.

    Attributes:
        shape: cells along each axis of the grid.
        axes: names of these axes, of "z", "y" and "x".
        slice: of a grid of three axes; None for others.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    slice: PlaneSlice | None = None

    @property
    def space_time(self) -> bool:
        """Whether rows of the plane are steps."""
        return len(self.shape) == 1

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of the plane."""
        if self.space_time:
            return max(_FEWEST_ROWS, min(self.shape[0], _MOST_ROWS)), self.shape[0]
        height, width = (side for side, axis in zip(self.shape, self.axes, strict=True) if axis in self.shown)
        return height, width

    @property
    def present(self) -> Region:
        """The part of the plane that shows the present cells: all of it, or the newest row."""
        height, width = self.grid
        return Region(height - 1, 0, 1, width) if self.space_time else Region(0, 0, height, width)

    @property
    def paintable(self) -> bool:
        """Whether the plane shows cells, not a mean or maximum of them."""
        return self.slice is None or isinstance(self.slice.cut, int)

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the axes of the grid that the plane has."""
        return tuple(axis for axis in self.axes if self.slice is None or axis != self.slice.axis)

    @property
    def cuts(self) -> dict[str, Cut]:
        """The slice, in the form that a motor's request takes."""
        return {} if self.slice is None else {self.slice.axis: self.slice.cut}

    @property
    def sides(self) -> dict[str, int]:
        """Cells of the grid along each axis, by name."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def dim(self) -> int:
        """The axis of the slice in arrays `(..., *shape)`, counted from the end."""
        assert self.slice is not None
        return self.axes.index(self.slice.axis) - len(self.axes)

    def with_slice(self, axis: str, cut: Cut) -> "Plane":
        """The plane at another slice; an index beyond the grid becomes the last one."""
        cut = min(max(cut, 0), self.sides[axis] - 1) if isinstance(cut, int) else cut
        return replace(self, slice=PlaneSlice(axis, cut))

    def block(self, region: Region) -> Block:
        """The cells under a region, whose rows count from `present`. Not for slices at "mean" or "max"."""
        if self.space_time:
            return Block((region.left,), (region.width,))
        corner, size = [region.top, region.left], [region.height, region.width]
        if self.slice is not None:
            assert isinstance(self.slice.cut, int)
            at = self.axes.index(self.slice.axis)
            corner.insert(at, self.slice.cut)
            size.insert(at, 1)
        return Block(tuple(corner), tuple(size))

    def flat(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values `(..., *size)` of a block as `(..., h, w)`; shares memory with them."""
        if self.space_time:
            return values[..., None, :]
        return values if self.slice is None else values.squeeze(self.dim)

    def deep(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values `(..., h, w)` of a region as `(..., *size)` of its block."""
        if self.space_time:
            return values[..., 0, :]
        if self.slice is None:
            return values
        return np.expand_dims(values, self.dim)

    def position(self, y: int, x: int) -> str:
        """The cell of the grid at a place of the plane, for the user."""
        if self.space_time:
            return f"x {x}"
        places = dict(zip(self.shown, (y, x), strict=True))
        if self.slice is not None and isinstance(self.slice.cut, int):
            places[self.slice.axis] = self.slice.cut
        text = ", ".join(f"{axis} {places[axis]}" for axis in self.axes if axis in places)
        return text if self.slice is None or self.slice.axis in places else f"{text}, {self.slice.cut} of {self.slice.axis}"


def plane_of(shape: tuple[int, ...], axes: tuple[str, ...] = ()) -> Plane:
    """The first plane of a grid: of a volume the middle slice across its first axis."""
    axes = axes or AXIS_NAMES[-len(shape) :]
    plane = Plane(shape, axes)
    return plane.with_slice(axes[0], shape[0] // 2) if len(shape) == 3 else plane
