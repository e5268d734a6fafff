"""Pictures of volumes from any direction, drawn without OpenGL. No Qt."""

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

_STEEPEST = math.pi / 2
_SPLAT = 1.4  # side of the square of a cell, in cells: a cube seen across an edge


@dataclass(frozen=True)
class Direction:
    """Where a volume is seen from, without perspective.

    Attributes:
        azimuth: turn about the first axis, in radians.
        elevation: of the eye above the planes of the other two axes, in radians; at pi/2 the volume is seen as its slices are.
        zoom: 1 where the volume fits into the picture however it is turned.
    """

    azimuth: float = 0.5
    elevation: float = 0.5
    zoom: float = 1.0

    def turned(self, right: float, down: float) -> "Direction":
        """Turned as by a drag of so many radians to the right and down."""
        elevation = min(max(self.elevation + down, -_STEEPEST), _STEEPEST)
        return replace(self, azimuth=(self.azimuth - right) % (2 * math.pi), elevation=elevation)

    def zoomed(self, factor: float) -> "Direction":
        """Nearer by a factor."""
        return replace(self, zoom=min(max(self.zoom * factor, 0.5), 8.0))

    @property
    def axes(self) -> NDArray[np.float64]:
        """`(3, 3)`: rows are the directions to the right, down and towards the eye, in order of the volume's axes."""
        (sa, ca), (se, ce) = ((math.sin(angle), math.cos(angle)) for angle in (self.azimuth, self.elevation))
        return np.array([[0, sa, ca], [-ce, ca * se, -sa * se], [se, ca * ce, -sa * ce]])

    def scale(self, shape: tuple[int, ...], size: int) -> float:
        """Pixels per cell in a picture of `size`."""
        return self.zoom * size / math.hypot(*shape)

    def edges(self, shape: tuple[int, int, int], size: int) -> NDArray[np.float64]:
        """The twelve edges of a volume in a picture, `(12, 2, 2)`: their two ends as (right, down) in pixels."""
        corners = np.array(list(product((-0.5, 0.5), repeat=3)))
        pairs = [(a, b) for a, b in product(range(8), repeat=2) if a < b and (corners[a] != corners[b]).sum() == 1]
        places = corners * np.array(shape) @ self.axes[:2].T * self.scale(shape, size) + size / 2
        return np.array([[places[a], places[b]] for a, b in pairs])


def project(
    volume: NDArray[np.float64], least: float, direction: Direction, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The nearest cells above a value, as seen from a direction.

    Cells are drawn from the farthest to the nearest (the painter's algorithm); those behind three others are left out.

    Args:
        volume: `(d, h, w)`.
        least: cells up to this value, and NaN, are not drawn.

    Returns:
        Their values `(size, size)`, NaN where there is none, and their nearness to the eye, 0 to 1 across the volume.
    """
    right, down, near = direction.axes
    live = volume > least
    z, y, x = _seen(live, near)
    places = np.stack((z, y, x), 1) - (np.array(volume.shape) - 1) / 2
    scale = direction.scale(volume.shape, size)
    side = max(1, math.ceil(_SPLAT * scale))
    corner = [np.floor(places @ way * scale + size / 2 - side / 2).astype(np.int64) for way in (down, right)]
    offset = np.arange(side)
    rows, columns = corner[0][:, None, None] + offset[:, None], corner[1][:, None, None] + offset
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    drawn = np.full(size * size, -1, np.int64)
    number = np.broadcast_to(np.arange(len(z))[:, None, None], rows.shape)
    drawn[(rows * size + columns)[inside]] = number[inside]  # of several at a pixel NumPy keeps the last, the nearest
    nearness = places @ near / math.hypot(*volume.shape) + 0.5
    found = drawn >= 0
    values, depths = np.full(size * size, np.nan), np.zeros(size * size)
    values[found], depths[found] = volume[z, y, x][drawn[found]], nearness[drawn[found]]
    return values.reshape(size, size), depths.reshape(size, size)


def _seen(live: NDArray[np.bool_], near: NDArray[np.float64]) -> tuple[NDArray[np.int64], ...]:
    """Indices of live cells, the farthest first, without those that live cells hide on all three sides of the eye."""
    hidden = np.ones_like(live)
    for axis, towards in enumerate(near):
        covered = np.zeros_like(live)
        ahead, behind = [slice(None)] * 3, [slice(None)] * 3
        ahead[axis], behind[axis] = (slice(1, None), slice(None, -1)) if towards >= 0 else (slice(None, -1), slice(1, None))
        covered[tuple(behind)] = live[tuple(ahead)]
        hidden &= covered
    # Along every axis away from the eye first: of two cells that overlap in the picture the nearer one comes later.
    order = tuple(slice(None, None, 1 if towards >= 0 else -1) for towards in near)
    found = np.nonzero((live & ~hidden)[order])
    sides = zip(found, live.shape, near, strict=True)
    return tuple(index if towards >= 0 else side - 1 - index for index, side, towards in sides)
