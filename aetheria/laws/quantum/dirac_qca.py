"""DiracQCA: the cellular automaton whose long waves obey the Dirac equation."""

from collections.abc import Callable
from functools import cache
from typing import Literal, TypeVar

import torch
from torch import Tensor

from aetheria.laws.checks import check_choice, check_rank
from aetheria.laws.controls import Control
from aetheria.laws.forms import FormulaRule
from aetheria.laws.quantum.unitary import UnitaryLaw, cells_of, components, moved
from aetheria.laws.quantum.wave_formulas import Amplitude, amplitudes, wave_rule
from aetheria.laws.registry import register

Part = TypeVar("Part", Tensor, Amplitude)
OpenBoundary = Literal["periodic", "zero"]
_X = ((0.5, 0.5), (0.5, -0.5))  # velocities of the two components of a Weyl automaton in two dimensions
_Y = ((-0.5, 0.5), (0.5, 0.5))


@register
class DiracQCA(UnitaryLaw):
    """psi' = n W psi - i m psi~, n^2 + m^2 = 1: massless waves W of two kinds, each turned into the other by the mass m.

    One dimension: components R and L; R'(x) = n R(x-1) - i m L(x), L'(x) = n L(x+1) - i m R(x); cos omega = n cos k.
    Two dimensions: components u_0, u_1, v_0, v_1; u' = n A u - i m v, v' = n A* v - i m u, A the Weyl automaton of the square
    lattice, A* its inverse; cos omega = n (cos k_x + cos k_y) / 2.

    Source: A. Bisio, G. M. D'Ariano, A. Tosini, Ann. Phys. 354 (2015) 244; two dimensions: G. M. D'Ariano, P. Perinotti,
    Phys. Rev. A 90 (2014) 062106.
    """

    ranks = (1, 2)
    spreads_controls = True
    boundary_keeps_norm = ("periodic",)
    controls = (
        Control(
            "mass",
            "rest energy m in -1 .. 1, sin of the turn a step",
            -1.0,
            1.0,
            lambda value: abs(value) <= 1,
            "-1 <= mass <= 1",
        ),
    )

    def __init__(self, mass: float = 0.3, *, rank: int = 1, boundary: OpenBoundary = "periodic") -> None:
        """
        Args:
            mass: m, -1 to 1.
            rank: number of grid axes, 1 or 2.
            boundary: "periodic", or "zero": what leaves over an edge is lost, and the norm falls.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        check_choice(check_rank(rank, "diracqca"), (1, 2), "[law.diracqca] rank")
        self.set_components(2 * rank, rank, check_choice(boundary, ("periodic", "zero"), "[law.diracqca] boundary"))
        self.mass = mass
        both = [((1.0,),)] if rank == 1 else [_Y, _X]
        self.velocities = tuple(_blocks(matrix) for matrix in both)

    def forward(self, cells: Tensor) -> Tensor:
        parts = components(cells)
        half = len(parts) // 2
        return cells_of(self._coupled([*self._weyl(parts[:half], 1), *self._weyl(parts[half:], -1)], parts, -1.0), cells)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before, to rounding: waves go back, and the mass turns the other way."""
        parts = components(cells)
        half = len(parts) // 2
        return cells_of(self._coupled([*self._weyl(parts[:half], -1), *self._weyl(parts[half:], 1)], parts, 1.0), cells)

    def formula_rule(self) -> FormulaRule:
        def numbers(cells: Tensor) -> dict[str, Tensor]:
            kept, turn = self._shares(cells, -1.0)
            return {"kept": kept, "turn": turn}

        return wave_rule(_after(self.ranks[0]), numbers, self.boundary)

    def _shares(self, cells: Tensor, sign: float) -> tuple[Tensor, Tensor]:
        """n and sign m."""
        mass = self.spread("mass", cells).double()
        return (1 - mass.square()).sqrt(), sign * mass

    def _coupled(self, waves: list[Tensor], parts: list[Tensor], sign: float) -> list[Tensor]:
        """n waves + i sign m times the parts of the other half."""
        (kept, turning), half = self._shares(parts[0], sign), len(parts) // 2
        others = parts[half:] + parts[:half]
        turned = (torch.stack((-other[:, 1], other[:, 0]), 1) for other in others)
        return [kept * wave + turning * turn for wave, turn in zip(waves, turned, strict=True)]

    def _weyl(self, parts: list[Tensor], by: int) -> list[Tensor]:
        return _weyl(parts, by, lambda part, axis, way: moved(part, way, axis, self.boundary))


def _weyl(parts: list[Part], by: int, moved_along: Callable[[Part, int, int], Part]) -> list[Part]:
    """One half after a step of massless waves (`by` 1), or of the inverse step (-1).

    Args:
        moved_along: a component, moved one cell along an axis, ahead (1) or back (-1).
    """
    at, y, x = moved_along, 0, 1
    if len(parts) == 1:
        return [at(parts[0], 0, by)]
    u, v = parts
    if by > 0:
        right, up, down, left = at(u, x, 1), at(u, y, -1), at(v, y, 1), at(v, x, -1)
        return [(right + up + down - left) / 2, (right - up + down + left) / 2]
    back_u, back_v = (at(u, x, -1), at(u, y, -1)), (at(v, x, -1), at(v, y, -1))
    on_u, on_v = (at(u, y, 1), at(u, x, 1)), (at(v, y, 1), at(v, x, 1))
    return [(back_u[0] + back_v[0] + on_u[0] - on_v[0]) / 2, (back_u[1] + back_v[1] - on_u[1] + on_v[1]) / 2]


@cache
def _after(rank: int) -> tuple[Amplitude, ...]:
    """The components after a step as formulas, with the numbers "kept", n, and "turn", -m."""

    def moved_along(part: Amplitude, axis: int, way: int) -> Amplitude:
        return part.at(tuple(-way * (axis == other) for other in range(rank)))

    parts = amplitudes(2 * rank)
    waves = [*_weyl(parts[:rank], 1, moved_along), *_weyl(parts[rank:], -1, moved_along)]
    others = parts[rank:] + parts[:rank]
    return tuple(wave.times("kept") + other.turned().times("turn") for wave, other in zip(waves, others, strict=True))


def _blocks(matrix: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    """The matrix for the first half of the components, its negative for the second: they go opposite ways."""
    zeros = (0.0,) * len(matrix)
    return (*((*row, *zeros) for row in matrix), *((*zeros, *(-one for one in row)) for row in matrix))
