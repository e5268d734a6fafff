"""Cells beyond the edges of a two-dimensional grid: a torus, dead cells, mirrors, edges joined with a twist or shift.

Sources: the joined edges are those of Golly's help, "Bounded grids"; J. R. Weeks, "The Shape of Space", 2002.
"""

import re
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.device import times
from aetheria.core.errors import ConfigError, LawError
from aetheria.laws.checks import BOUNDARIES

Whole = NDArray[np.int64]
TWISTED = (
    '"periodic-x+3" (a torus whose top and bottom are joined with a shift of 3), "periodic-y-2", "klein-x" (top and bottom are '
    'joined mirrored), "klein-y", "klein-x+1", "klein-y+1", "cross-surface" or "sphere"'
)
_JOINED = re.compile(r"(periodic|klein)-([xy])([+-]\d{1,9})?")


def check_topology(boundary: str, law: str) -> str:
    """Returns `boundary` if it is one of the three plain ones or a twisted one; raises ConfigError with the choices if not."""
    if boundary in BOUNDARIES or is_twisted(boundary):
        return boundary
    raise ConfigError(f'[law.{law}] boundary: "{boundary}" given; expected one of {", ".join(BOUNDARIES)}, {TWISTED}')


def check_joined(boundary: str, law: str) -> str:
    """The same without mirrors, from which what leaves would return twice or never."""
    if boundary in ("periodic", "zero") or is_twisted(boundary):
        return boundary
    raise ConfigError(f'[law.{law}] boundary: "{boundary}" given; expected one of periodic, zero, {TWISTED}')


def is_twisted(boundary: str) -> bool:
    """Whether edges are joined with a twist or a shift."""
    found = _JOINED.fullmatch(boundary)
    if not found:
        return boundary in ("cross-surface", "sphere")
    shift = int(found[3] or 0)
    return shift != 0 if found[1] == "periodic" else shift in (0, 1)


def check_torus(boundary: str, law: str, plain: tuple[str, ...], shifts: dict[str, int], reason: str) -> str:
    """Returns `boundary` if it is one of `plain`, or a torus shifted along an axis by a multiple of its number in `shifts`.

    Raises:
        ConfigError: another one; `reason` says why the law has no others.
    """
    found = _JOINED.fullmatch(boundary)
    shifted = found is not None and found[1] == "periodic" and is_twisted(boundary)
    if boundary in plain or (shifted and found is not None and int(found[3]) % shifts[found[2]] == 0):
        return boundary
    tori = (f"periodic-{axis}{shift:+}" + (f" or a multiple of {shift}" if shift > 1 else "") for axis, shift in shifts.items())
    choices = ", ".join([*plain, *tori])
    raise ConfigError(f'[law.{law}] boundary: "{boundary}" given; expected one of {choices}, because {reason}')


def check_topology_grid(boundary: str, grid: tuple[int, ...], where: str) -> None:
    """Raises LawError when the edges of a grid cannot be joined so."""
    if not is_twisted(boundary):
        return
    if len(grid) != 2:
        raise LawError(f'{where}: boundary "{boundary}" joins the edges of a grid with 2 axes; {times(grid)} has {len(grid)}')
    height, width = grid
    if boundary == "sphere" and height != width:
        raise LawError(f'{where} {times(grid)}: boundary "sphere" joins neighbouring edges; expected a square grid')
    if boundary in ("klein-x+1", "klein-y+1"):
        side, name = (width, "width") if boundary == "klein-x+1" else (height, "height")
        if side % 2:
            raise LawError(f'{where} {times(grid)}: boundary "{boundary}" shifts a twisted edge; expected an even {name}')


def source(y: Whole, x: Whole, grid: tuple[int, int], boundary: str) -> Whole:
    """The cell whose state is found at (y, x), as y * width + x; -1 where there is none, which counts as dead.

    Args:
        y, x: coordinates, at most one grid beyond an edge.
    """
    height, width = grid
    if boundary == "zero":
        outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
        return np.where(outside, -1, y * width + x)
    if boundary == "reflect":
        y, x = (np.where(at < 0, -at, np.where(at >= size, 2 * (size - 1) - at, at)) for at, size in ((y, height), (x, width)))
    elif boundary == "sphere":
        y, x = _on_sphere(y, x, width)
    else:
        y, x = _joined(y, x, grid, boundary)
    return y * width + x


def turns_colours(grid: tuple[int, int], boundary: str) -> bool:
    """Whether a cell at an edge has beyond it one of its own colour, (y + x) mod 2, as on no checkerboard."""
    height, width = grid
    down, along = np.arange(height), np.arange(width)
    edges = ((0 * along - 1, along), (0 * along + height, along), (down, 0 * down - 1), (down, 0 * down + width))
    places = ((y, x, source(y, x, grid, boundary)) for y, x in edges)
    return any(bool(((at // width + at % width - y - x) % 2).any()) for y, x, at in places)


def around(grid: tuple[int, int], boundary: str, reach: int = 1) -> Whole:
    """The sources of the cells up to `reach` beyond the edges.

    First `reach` rows above and below the grid (width + 2 reach each), from the top down, then for each row of the grid `reach`
    cells to its left, then to its right.
    """
    height, width = grid
    along, down = np.arange(-reach, width + reach), np.arange(height)
    above_below = [*range(-reach, 0), *range(height, height + reach)]
    blocks = [np.meshgrid(above_below, along, indexing="ij")]
    blocks += [np.meshgrid(down, np.arange(first, first + reach), indexing="ij") for first in (-reach, width)]
    return np.concatenate([source(y, x, grid, boundary).ravel() for y, x in blocks])


def twisted_halo(cells: Tensor, radius: int, boundary: str) -> Tensor:
    """Cells `(B, C, H, W)` with `radius` more on every side, as the joined edges have them."""
    height, width = cells.shape[-2:]
    index = _halo_sources(height, width, radius, boundary, cells.device)
    return cells.flatten(-2).index_select(-1, index).view(*cells.shape[:-2], height + 2 * radius, width + 2 * radius)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
@lru_cache(maxsize=8)
def _halo_sources(height: int, width: int, radius: int, boundary: str, device: torch.device) -> Tensor:
    y, x = np.mgrid[-radius : height + radius, -radius : width + radius]
    return torch.from_numpy(source(y, x, (height, width), boundary).ravel()).to(device)


def _joined(y: Whole, x: Whole, grid: tuple[int, int], boundary: str) -> tuple[Whole, Whole]:
    """Opposite edges joined: plainly, shifted, or mirrored."""
    height, width = grid
    found = _JOINED.fullmatch(boundary)
    kind, axis, shift = (found[1], found[2], int(found[3] or 0)) if found else (boundary, "", 0)
    both = kind == "cross-surface"
    beyond = np.sign(y // height)  # -1 above, 1 below
    x = _across(x, beyond, width, both or (kind == "klein" and axis == "x"), shift if axis == "x" else 0)
    y = y % height
    beyond = np.sign(x // width) if both or axis == "y" else np.zeros_like(x)
    y = _across(y, beyond, height, both or (kind == "klein" and axis == "y"), shift if axis == "y" else 0)
    return y % height, x % width


def _across(at: Whole, beyond: Whole, size: int, mirrored: bool, shift: int) -> Whole:
    """The coordinate along an edge of the cells that lie beyond it."""
    return np.where(beyond == 0, at, size - 1 - at - shift if mirrored else at + beyond * shift)


def _on_sphere(y: Whole, x: Whole, side: int) -> tuple[Whole, Whole]:
    """Top joined to left and bottom to right; beyond a corner lies the corner itself."""
    above, below, left, right = y < 0, y >= side, x < 0, x >= side
    corner = (above | below) & (left | right)
    row = np.select([corner, above | below, left, right], [y, x, 0 * y, 0 * y + side - 1], y)
    column = np.select([corner, above, below, left | right], [x, 0 * x, 0 * x + side - 1, y], x)
    return np.clip(row, 0, side - 1), np.clip(column, 0, side - 1)
