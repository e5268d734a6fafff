"""`UnitaryLaw`: base of the laws that keep the norm of complex amplitudes, with their fields; components moved and mixed.

Sums of products are taken in float64 and rounded once to the type of the cells: with the digits that a coin has in float32,
the norm would grow or shrink by the same share in each step.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import Boundary
from aetheria.laws.exact_sums import SquareSum
from aetheria.laws.first_cells import by_parts, norm_sum, with_norm
from aetheria.laws.quantum.wave_fields import wave_fields
from aetheria.laws.updates import normalised

Weight = complex | Tensor  # a number, or a real one that may change between steps
Velocity = tuple[tuple[float, ...], ...]
_COMMON = ("density", "phase", "real", "imag", "magnitude", "channel", "mass", "energy", "gradient", "entropy", "coherence")


class UnitaryLaw(Law):
    """A law whose step is a unitary map of psi: the norm, the sum over cells and components of |psi|^2, stays as it is.

    Cells are `(B, 2d, *grid)`: the real parts of psi_0 .. psi_{d-1}, then the imaginary parts. On a torus a step can be
    taken back.

    Attributes:
        velocities: for each axis, the real symmetric matrix `(d, d)` whose mean is the probability current along it.
    """

    radius = 1
    default_field = "density"
    default_initial = "seed"
    boundary_keeps_norm: ClassVar[tuple[str, ...]] = ("periodic", "reflect")
    velocities: tuple[Velocity, ...]

    def set_components(self, d_state: int, rank: int, boundary: Boundary) -> None:
        """States the number of components, the rank and the boundary, and what follows from them."""
        self.d_state, self.channels, self.ranks = d_state, 2 * d_state, (rank,)
        self.boundary = boundary
        self.reversible = boundary in self.boundary_keeps_norm
        self.own_fields = wave_fields(rank)
        self.fields = (*(own.name for own in self.own_fields), *_COMMON, "mean_entropy", *PLOTTED)

    @by_parts
    def normalised(self, cells: Tensor) -> Tensor:
        """Cells `(B, 2d, *grid)` of norm 1."""
        return normalised(cells, "grid", norm_sum(SquareSum()))

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Complex white noise of norm 1."""
        return self.normalised(with_norm(lambda: torch.randn(self.channels, *grid, generator=generator))[None])[0]

    def seed_cell(self) -> Tensor:
        """All components of equal size, each a quarter turn after the one before: it spreads alike to both sides."""
        assert self.d_state is not None
        turns = torch.arange(self.d_state) % 4
        real = torch.tensor([1.0, 0.0, -1.0, 0.0])[turns]
        imag = torch.tensor([0.0, 1.0, 0.0, -1.0])[turns]
        return torch.cat((real, imag)) / self.d_state**0.5

    def other_values(self, cells: Tensor) -> Tensor:
        """The amplitudes and one half more, so that the other value has a finite distance whatever the size of the grid."""
        return cells + 0.5


def components(cells: Tensor, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """The components of `(B, 2d, *grid)`, each `(B, 2, *grid)`: real and imaginary part."""
    d = cells.shape[1] // 2
    return [cells[:, k::d].to(dtype) for k in range(d)]


def cells_of(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """The cells `(B, 2d, *grid)` of these components, in the type of other cells."""
    return torch.stack(tuple(parts), 2).flatten(1, 2).to(like.dtype)


def scaled(weight: Weight, part: Tensor) -> Tensor:
    """A component `(B, 2, *grid)` times a complex number, or a real tensor."""
    if isinstance(weight, Tensor):
        return weight * part
    weight = complex(weight)
    if not weight.imag:
        return part if weight.real == 1 else weight.real * part
    turned = torch.stack((-part[:, 1], part[:, 0]), 1)
    return weight.imag * turned if not weight.real else weight.real * part + weight.imag * turned


def mixed(parts: Sequence[Tensor], matrix: Sequence[Sequence[Weight]]) -> list[Tensor]:
    """The components times a matrix: part k of the result is the sum over j of `matrix[k][j] * parts[j]`."""
    after = []
    for row in matrix:
        terms = [scaled(weight, part) for weight, part in zip(row, parts, strict=True) if isinstance(weight, Tensor) or weight]
        after.append(sum(terms[1:], terms[0]) if terms else torch.zeros_like(parts[0]))
    return after


def moved(part: Tensor, by: int, axis: int, boundary: str = "periodic") -> Tensor:
    """A component `(B, 2, *grid)`, all of it one cell further (`by` 1) or back (-1) along an axis of the grid.

    On a torus ("periodic"), or over open edges ("zero"): what leaves is lost, and nothing comes in.
    """
    if boundary == "periodic":
        return part.roll(by, axis + 2)
    return _joined_at_edge(part, by, axis, torch.zeros_like(_edge_of(part, -by, axis)))


def walked(parts: Sequence[Tensor], boundary: str) -> list[Tensor]:
    """Components 2a and 2a + 1 moved one cell back and ahead along axis a; those beyond the axes stay.

    At a wall ("reflect") a component that would leave stays in its cell and goes on the other way.
    """
    after: list[Tensor] = []
    for axis in range(min(len(parts) // 2, parts[0].ndim - 2)):
        back, ahead = parts[2 * axis : 2 * axis + 2]
        if boundary != "reflect":
            after += [moved(back, -1, axis, boundary), moved(ahead, 1, axis, boundary)]
        else:
            after.append(_joined_at_edge(back, -1, axis, _edge_of(ahead, 1, axis)))
            after.append(_joined_at_edge(ahead, 1, axis, _edge_of(back, -1, axis)))
    return [*after, *parts[len(after) :]]


def walked_back(parts: Sequence[Tensor], boundary: str) -> list[Tensor]:
    """The components before `walked`, on a torus or between walls."""
    before: list[Tensor] = []
    for axis in range(min(len(parts) // 2, parts[0].ndim - 2)):
        back, ahead = parts[2 * axis : 2 * axis + 2]
        if boundary != "reflect":
            before += [moved(back, 1, axis), moved(ahead, -1, axis)]
        else:
            before.append(_joined_at_edge(back, 1, axis, _edge_of(ahead, -1, axis)))
            before.append(_joined_at_edge(ahead, -1, axis, _edge_of(back, 1, axis)))
    return [*before, *parts[len(before) :]]


def walk_velocities(d_state: int, rank: int) -> tuple[Velocity, ...]:
    """The velocities of components that move as `walked` moves them."""
    ways = [[(-1.0, 1.0)[k % 2] * (k // 2 == axis) for k in range(d_state)] for axis in range(rank)]
    return tuple(tuple(tuple(way[j] * (j == k) for k in range(d_state)) for j in range(d_state)) for way in ways)


def _joined_at_edge(part: Tensor, by: int, axis: int, entering: Tensor) -> Tensor:
    """A component moved by one cell, without the cells that leave, and with cells that enter behind it."""
    axis += 2
    if by > 0:
        return torch.cat((entering, part.narrow(axis, 0, part.shape[axis] - 1)), axis)
    return torch.cat((part.narrow(axis, 1, part.shape[axis] - 1), entering), axis)


def _edge_of(part: Tensor, side: int, axis: int) -> Tensor:
    """The last (`side` 1) or first (-1) cells along an axis of the grid."""
    return part.narrow(axis + 2, part.shape[axis + 2] - 1 if side > 0 else 0, 1)


def adjoint(matrix: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    """The conjugate transpose of a matrix; its tensors are real."""
    return tuple(
        tuple(one if isinstance(one, Tensor) else complex(one).conjugate() for one in row) for row in zip(*matrix, strict=True)
    )
