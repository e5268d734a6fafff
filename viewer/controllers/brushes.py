"""Brushes: the effect of a dab of paint on a block of cells. Arrays in, arrays out; no Qt, no motor.

Coordinates are fractional cells, as on the canvas: cell (i, j) covers the square from (i, j) to (i + 1, j + 1).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aetheria.laws.base import Law
from viewer.model.brush_settings import BrushSettings
from viewer.model.region import Region

Array = NDArray[Any]
BrushName = Literal["draw", "erase", "random", "stamp", "vortex", "wave"]
BRUSHES: tuple[BrushName, ...] = get_args(BrushName)


@dataclass(frozen=True, eq=False)
class PaintTarget:
    """The properties of a law and its grid that painting depends on.

    Attributes:
        grid: (height, width) in cells.
        live: the channels `(C,)` of one live cell.
        complex: channels are d real parts, then d imaginary parts.
        hard: cells are whole states, so brushes have no soft edges.
        states: number of whole states to choose from; 2 where only live and dead cells are painted.
        wraps: the grid is a torus, and strokes continue at the opposite side.
        unit: amplitude painted at full strength; 1 for real cells.
    """

    grid: tuple[int, int]
    live: Array
    complex: bool = False
    hard: bool = False
    states: int = 2
    wraps: bool = True
    unit: float = 1.0


@dataclass(frozen=True, eq=False)
class Dab:
    """One touch of a brush.

    Attributes:
        brush: its name.
        settings: size, strength and so on.
        y, x: the centre. On a torus it may lie beyond the edge.
        seed: of random cells.
        stamp: values `(h, w)` from 0 (unchanged) to 1 (live), or whole states, for "stamp".
    """

    brush: BrushName
    settings: BrushSettings
    y: float
    x: float
    seed: int = 0
    stamp: Array | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the covered cells."""
        if self.brush == "stamp":
            assert self.stamp is not None
            return self.stamp.shape[0], self.stamp.shape[1]
        return self.settings.size, self.settings.size

    @property
    def corner(self) -> tuple[int, int]:
        """(top, left) of the covered cells; for odd sizes the middle cell is the one under the mouse."""
        height, width = self.size
        return first_cell(self.y, height), first_cell(self.x, width)


def paint_target_of(law: Law, grid: tuple[int, int]) -> PaintTarget:
    """The paint target for a law on a grid."""
    live = law.seed_cell().cpu().numpy()
    return PaintTarget(
        grid,
        np.asarray(live, np.float64),
        complex=law.d_state is not None,
        hard=law.states is not None,
        states=law.states if law.states is not None and law.channels == 1 else 2,
        wraps=law.boundary == "periodic",
    )


def why_brush_unusable(brush: str, target: PaintTarget) -> str:
    """The reason why a brush is unavailable for these cells; empty when it is available."""
    if brush in ("vortex", "wave") and not target.complex:
        return "only laws of complex amplitudes have a phase"
    if brush == "vortex" and target.grid[0] == 1:
        return "a vortex needs two dimensions"
    return ""


def touched_regions(dab: Dab, target: PaintTarget) -> list[Region]:
    """The rectangles of the grid that a dab covers: several where it wraps round an edge, none where it misses the grid."""
    (top, left), (height, width) = dab.corner, dab.size
    rows = pieces(top, height, target.grid[0], target.wraps)
    columns = pieces(left, width, target.grid[1], target.wraps)
    return [Region(y0, x0, y1 - y0, x1 - x0) for y0, y1 in rows for x0, x1 in columns]


def apply_dab(block: Array, top: int, left: int, dab: Dab, target: PaintTarget) -> Array:
    """The block after a dab.

    Args:
        block: cells `(..., C, h, w)`.
        top, left: position of the block on the grid.
    """
    down = _offsets(top, block.shape[-2], dab.corner[0], dab.size[0], target.grid[0], target.wraps)
    across = _offsets(left, block.shape[-1], dab.corner[1], dab.size[1], target.grid[1], target.wraps)
    wanted = _wanted(block, down, across, dab, target)
    if dab.brush == "stamp":
        weight = _under(dab, down, across) > 0
    else:
        weight = _weight(dab, down, across, target)
    if target.hard:
        return np.where(weight > 0, wanted, block).astype(block.dtype)
    share = weight * dab.settings.strength
    with np.errstate(invalid="ignore"):
        mixed = np.where(share < 1, block + share * (wanted - block), wanted)  # full strength replaces NaN and Inf, too
    return np.where(share > 0, mixed, block).astype(block.dtype)


def _wanted(block: Array, down: Array, across: Array, dab: Dab, target: PaintTarget) -> Array:
    """The cells at full strength."""
    live = target.live[:, None, None]
    match dab.brush:
        case "draw":
            return _drawn(dab, target) if target.states > 2 else live * target.unit
        case "erase":
            return np.zeros_like(live)
        case "stamp":
            values = _under(dab, down, across)
            return live * (np.where(values > 1, values, values > 0.5) if target.hard else values * target.unit)
        case "random":
            return _random(block, top_left=(down[0], across[0]), dab=dab, target=target)
        case "vortex" | "wave":
            return _amplitudes(target, _wave(down, across, dab) if dab.brush == "wave" else _vortex(down, across, dab))


def _drawn(dab: Dab, target: PaintTarget) -> Array:
    """The chosen state, as far as the law has it."""
    return np.full((1, 1, 1), min(dab.settings.state, target.states - 1))


def _random(block: Array, top_left: tuple[float, float], dab: Dab, target: PaintTarget) -> Array:
    """Random values; states are other than 0 with half the strength as probability."""
    place = [int(2 * offset) & 0xFFFFFFFF for offset in top_left]  # other numbers for the parts beyond an edge
    random = np.random.default_rng([dab.seed, *place])
    if target.hard:
        return (random.random(block.shape) < 0.5 * dab.settings.strength) * random_values(block.shape, random, target)
    return random_values(block.shape, random, target)


def random_values(shape: tuple[int, ...], random: np.random.Generator, target: PaintTarget) -> Array:
    """Cells `(..., C, h, w)`. States: above 0. Amplitudes: any phase, density up to unit^2. Real: 0 to 1."""
    if target.hard:
        return random.integers(1, target.states, shape)
    if not target.complex:
        return random.random(shape)
    shape = (*shape[:-3], shape[-3] // 2, *shape[-2:])
    size = target.unit * np.sqrt(random.random(shape) / shape[-3])
    phase = 2 * math.pi * random.random(shape)
    return np.concatenate((size * np.cos(phase), size * np.sin(phase)), -3)


def _vortex(down: Array, across: Array, dab: Dab) -> Array:
    """r / sqrt(r^2 + core^2) exp(i charge theta): zero at the centre, where the phase is undefined."""
    y, x = down[:, None], across[None, :]
    r = np.hypot(y, x)
    core = max(0.5, dab.settings.size / 16)
    # y points down on the canvas; theta grows counter-clockwise.
    return r / np.hypot(r, core) * np.exp(1j * dab.settings.charge * np.arctan2(-y, x))


def _wave(down: Array, across: Array, dab: Dab) -> Array:
    """exp(i k r), k of length 2 pi / wavelength; r starts at the corner of the grid, so that dabs of a stroke match."""
    (top, left), (height, width) = dab.corner, dab.size
    y, x = down[:, None] + top + height / 2, across[None, :] + left + width / 2
    angle = math.radians(dab.settings.angle)
    # Angles are measured upwards, that is, towards -y.
    along = x * math.cos(angle) - y * math.sin(angle)
    return np.exp(2j * math.pi * along / dab.settings.wavelength)


def _amplitudes(target: PaintTarget, wave: Array) -> Array:
    """The channels `(C, h, w)` of a live cell, its amplitudes multiplied by `wave`."""
    re, im = np.split(target.live, 2)
    psi = target.unit * (re + 1j * im)[:, None, None] * wave
    return np.concatenate((psi.real, psi.imag))


def _weight(dab: Dab, down: Array, across: Array, target: PaintTarget) -> Array:
    """Weight of each cell, 0 to 1: hard brushes are discs; soft ones fall off smoothly in the outer half of the radius."""
    radius = dab.settings.size / 2
    r = np.hypot(down[:, None], across[None, :])
    if target.hard:
        return (r <= radius).astype(np.float64)
    t = np.clip(2 * (1 - r / radius), 0, 1)
    return t * t * (3 - 2 * t)


def _under(dab: Dab, down: Array, across: Array) -> Array:
    """The stamp's values at the cells of a block, 0 outside."""
    assert dab.stamp is not None
    height, width = dab.stamp.shape
    y = np.round(down + height / 2 - 0.5).astype(int)
    x = np.round(across + width / 2 - 0.5).astype(int)
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
    return np.where(inside, dab.stamp[np.clip(y, 0, height - 1)][:, np.clip(x, 0, width - 1)], 0)


def first_cell(centre: float, size: int) -> int:
    """The first of `size` whole cells around `centre`."""
    return math.floor(centre) - size // 2 if size % 2 else math.floor(centre + 0.5) - size // 2


def _offsets(first: int, count: int, corner: int, size: int, around: int, wraps: bool) -> Array:
    """Distances of `count` cells from `first` on to the dab's centre; on a torus the shorter way round."""
    offset = first + np.arange(count) + 0.5 - (corner + size / 2)
    return (offset + around / 2) % around - around / 2 if wraps else offset


def pieces(first: int, size: int, around: int, wraps: bool) -> list[tuple[int, int]]:
    """The parts [from, to) of `size` cells from `first` on that lie on the grid."""
    if not wraps:
        start, end = max(first, 0), min(first + size, around)
        return [(start, end)] if start < end else []
    if size >= around:
        return [(0, around)]
    start = first % around
    if start + size <= around:
        return [(start, start + size)]
    return [(start, around), (0, start + size - around)]
