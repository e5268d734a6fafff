"""Laplacians: differences between a cell and the cells around it, on grids of any rank."""

from collections.abc import Callable, Iterable
from functools import reduce
from itertools import product
from operator import add
from typing import TypeVar, get_args

from torch import Tensor

from aetheria.laws.checks import check_choice
from aetheria.laws.controls import Control
from aetheria.laws.forms import Stencil
from aetheria.laws.formula import Formula
from aetheria.laws.layers import window

Place = tuple[int, ...]
Values = TypeVar("Values", Tensor, Formula)
STENCILS: tuple[Stencil, ...] = get_args(Stencil)
# By rank, of a neighbour with one, two or three coordinates that differ; their sum over all neighbours is 1.
_ISOTROPIC: dict[int, tuple[float, ...]] = {1: (1 / 2,), 2: (1 / 5, 1 / 20), 3: (7 / 64, 3 / 128, 1 / 128)}
_STEEPEST: dict[Stencil, dict[int, float]] = {"5-point": {1: 4, 2: 8, 3: 12}, "9-point": {1: 2, 2: 1.6, 3: 1.4375}}


def check_stencil(stencil: str, law: str) -> Stencil:
    """Returns `stencil` if it is one; raises ConfigError with the choices if not."""
    checked: Stencil = check_choice(stencil, STENCILS, f"[law.{law}] laplacian")
    return checked


def check_time_step(dt: float, law: str) -> float:
    """Returns `dt` as a float; raises ConfigError unless it is a finite number above 0."""
    return Control("dt", "time units per step", 0.0, 1.0).checked(dt, f"[law.{law}]")


def laplacian(halo: Tensor, stencil: Stencil) -> Tensor:
    """Laplacian `(B, C, *grid)` of cells `(B, C, *grid)` padded by one, at a grid spacing of 1.

    "5-point": the sum over the 2 n neighbours along the n axes, minus 2 n times the cell. "9-point": a mean over all
    3^n - 1 neighbours, minus the cell: 1/2 each on a row; 1/5 along an axis and 1/20 on a diagonal in the plane; 7/64, 3/128
    and 1/128 in space. It is isotropic up to fourth order, and 1/2, 3/10 or 15/64 times the Laplacian.
    """
    grid = [size - 2 for size in halo.shape[2:]]
    return weighted(lambda place: window(halo, [1 + step for step in place], grid), len(grid), stencil)


def weighted(at: Callable[[Place], Values], rank: int, stencil: Stencil) -> Values:
    """The Laplacian from the values `at` each place relative to the cell: tensors, or formulas."""
    middle = at((0,) * rank)
    if stencil == "5-point":
        return _sum(map(at, axis_places(rank))) - 2 * rank * middle
    total = -middle
    for number, weight in enumerate(_ISOTROPIC[rank], 1):
        around = [at(place) for place in product((-1, 0, 1), repeat=rank) if sum(map(bool, place)) == number]
        total = total + weight * _sum(around)
    return total


def axis_places(rank: int) -> list[Place]:
    """The places of the 2 n neighbours along the axes, relative to a cell."""
    return [tuple(sign * (axis == other) for other in range(rank)) for axis in range(rank) for sign in (-1, 1)]


def axis_neighbours(halo: Tensor) -> list[Tensor]:
    """The 2 n neighbours along the axes of each cell, of cells `(B, C, *grid)` padded by one."""
    grid = [size - 2 for size in halo.shape[2:]]
    return [window(halo, [1 + step for step in place], grid) for place in axis_places(len(grid))]


def _sum(parts: Iterable[Values]) -> Values:
    return reduce(add, parts)


def why_unstable(diffusion: float, dt: float, stencil: Stencil, rank: int) -> str:
    """Why explicit Euler steps of diffusion diverge on a grid with `rank` axes, for people; empty if they do not."""
    steepest = _STEEPEST[stencil][rank]
    if dt * diffusion * steepest <= 2 * (1 + 1e-9):
        return ""
    return (
        f"a diffusion constant of {diffusion:g} with dt {dt:g} diverges by the {stencil} Laplacian; "
        f"at most {2 / (dt * steepest):.4g} is wanted"
    )
