"""Changes of the cells of a rectangle: clear, fill, turn and paste. Arrays in, arrays out; no Qt, no motor.

Blocks of cells are `(B, C, h, w)`. Cells at rest are those around a pattern, dead cells in most laws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import StateError
from viewer.controllers.brushes import PaintTarget, pieces, random_values
from viewer.model.region import Region

Array = NDArray[Any]
PasteMode = Literal["or", "xor", "copy"]
PASTE_MODES: tuple[PasteMode, ...] = get_args(PasteMode)


@dataclass(frozen=True, eq=False)
class CellsChange:
    """New cells for a rectangle: `after(before, target)` returns them, of the shape of `before`."""

    region: Region
    after: Callable[[Array, PaintTarget], Array]


def cleared(region: Region, rest: Array) -> CellsChange:
    """All cells of a rectangle at rest. `rest`: the channels `(C,)` of a cell at rest."""
    return CellsChange(region, lambda before, _: np.broadcast_to(_cell(rest), before.shape))


def stepped(region: Region, ahead: Array) -> CellsChange:
    """The cells of a rectangle one step on. `ahead`: its cells `(B, C, h, w)` after the step."""
    return CellsChange(region, lambda *_: ahead)


def filled(region: Region, density: float, seed: int, rest: Array) -> CellsChange:
    """Random cells: each one is other than at rest with probability `density`; see `brushes.random_values`."""

    def after(before: Array, target: PaintTarget) -> Array:
        random = np.random.default_rng([seed, region.top, region.left])
        values = random_values(before.shape, random, target)
        shape = before.shape if target.hard else (before.shape[0], 1, *before.shape[2:])
        return np.where(random.random(shape) < density, values, _cell(rest))

    return CellsChange(region, after)


def flipped(region: Region, axis: int) -> CellsChange:
    """The cells of a rectangle mirrored: left to right (axis -1) or top to bottom (axis -2)."""
    return CellsChange(region, lambda before, _: np.flip(before, axis))


def turned(region: Region, quarters: int, grid: tuple[int, int], rest: Array) -> tuple[CellsChange, Region]:
    """The cells of a rectangle turned clockwise about its centre, and the rectangle that they have then.

    It is moved into the grid where it would leave it. Cells under it are replaced.

    Raises:
        StateError: it is larger than the grid when it is turned.
    """
    height, width = (region.height, region.width) if quarters % 2 == 0 else (region.width, region.height)
    if height > grid[0] or width > grid[1]:
        raise StateError(
            f"turn: the selection of {region.height} x {region.width} cells would be {height} x {width}; expected at most "
            f"{grid[0]} x {grid[1]}, the grid"
        )
    top = min(max(0, region.top + (region.height - height) // 2), grid[0] - height)
    left = min(max(0, region.left + (region.width - width) // 2), grid[1] - width)
    new = Region(top, left, height, width)
    both = region.around(new)

    def after(before: Array, _: PaintTarget) -> Array:
        cells = before.copy()
        cells[_index(both, region)] = _cell(rest)
        cells[_index(both, new)] = np.rot90(before[_index(both, region)], -quarters, (-2, -1))
        return cells

    return CellsChange(both, after), new


def pasted(
    values: Array, corner: tuple[int, int], mode: PasteMode, target: PaintTarget, rest: Array, states: int
) -> list[CellsChange]:
    """Cells `(C, h, w)` pasted at a corner (top, left), beyond the edge of a torus at its opposite side.

    Args:
        mode: "copy" replaces all cells of the rectangle, "or" only those where the pasted cell is not at rest; "xor" combines
            the bits of the states, and leaves a cell as it is where the law has no such state.
        target: the grid, no smaller than the values.
        states: of the law; used by "xor" only.
    """
    (top, left), (height, width) = corner, values.shape[-2:]
    changes = []
    for y0, y1 in pieces(top, height, target.grid[0], target.wraps):
        for x0, x1 in pieces(left, width, target.grid[1], target.wraps):
            rows = (np.arange(y0, y1) - top) % target.grid[0] if target.wraps else np.arange(y0, y1) - top
            columns = (np.arange(x0, x1) - left) % target.grid[1] if target.wraps else np.arange(x0, x1) - left
            part = values[:, rows][:, :, columns]
            changes.append(CellsChange(Region(y0, x0, y1 - y0, x1 - x0), _joined(part, mode, rest, states)))
    return changes


def _joined(part: Array, mode: PasteMode, rest: Array, states: int) -> Callable[[Array, PaintTarget], Array]:
    def after(before: Array, _: PaintTarget) -> Array:
        if mode == "copy":
            return np.broadcast_to(part, before.shape)
        if mode == "or":
            return np.where(seen(part, rest), part, before)
        mixed = before.astype(np.int64) ^ part.astype(np.int64)
        return np.where(mixed < states, mixed, before)

    return after


def seen(values: Array, rest: Array) -> NDArray[np.bool_]:
    """The cells `(h, w)` of `(C, h, w)` that are not at rest."""
    return np.asarray((values != _cell(rest)[0]).any(0))


def _cell(rest: Array) -> Array:
    return rest[None, :, None, None]


def _index(block: Region, region: Region) -> tuple[Any, ...]:
    top, left = region.top - block.top, region.left - block.left
    return (..., slice(top, top + region.height), slice(left, left + region.width))
