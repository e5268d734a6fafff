"""QuantumWalk: a coin mixes the components of each cell, and each component moves one cell."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aetheria.core.device import times
from aetheria.core.errors import ConfigError
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_rank
from aetheria.laws.controls import Control
from aetheria.laws.forms import CellNumbers, FormulaRule
from aetheria.laws.hash_noise import hash_words
from aetheria.laws.quantum import wave_formulas
from aetheria.laws.quantum.coins import COINS, dft, grover, hadamard, own_coin
from aetheria.laws.quantum.unitary import (
    UnitaryLaw,
    Weight,
    adjoint,
    cells_of,
    components,
    mixed,
    walk_velocities,
    walked,
    walked_back,
)
from aetheria.laws.quantum.wave_formulas import Amplitude, Number, amplitudes, wave_rule
from aetheria.laws.registry import register

PHASES = ("none", "linear", "quadratic", "random")
_WHERE = "[law.quantumwalk]"


@register
class QuantumWalk(UnitaryLaw):
    """psi' = phase * shift(coin psi), a coined quantum walk with 2 n components on a grid of n axes.

    Components 0 and 1 move to x - 1 and x + 1 in one dimension; in two, components 0 .. 3 move to y - 1, y + 1, x - 1 and
    x + 1; in three, 0 .. 5 move to z - 1, z + 1, y - 1, y + 1, x - 1 and x + 1. A component keeps its direction until the next
    coin. Then each cell turns by exp(i strength f), f a function of the place.

    Source: Y. Aharonov, L. Davidovich, N. Zagury, Phys. Rev. A 48 (1993) 1687; A. Ambainis et al., STOC 2001, p. 37;
    phases: M. Genske et al., Phys. Rev. Lett. 110 (2013) 190601.
    """

    ranks = RANKS
    spreads_controls = True
    controls = (
        Control(
            "angle",
            'angle of the coin "rotation", rad; pi / 4 for Hadamard\'s',
            -math.pi,
            math.pi,
            lambda _: True,
            "a finite number",
        ),
        Control("strength", "factor on the phase of a cell, rad", -math.pi, math.pi, lambda _: True, "a finite number"),
    )

    def __init__(
        self,
        coin: Any = "dft",
        *,
        rank: int = 1,
        angle: float = math.pi / 4,
        phase: Any = "none",
        strength: float = 1.0,
        phase_seed: int = 0,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            coin: "hadamard" (one or two axes), "grover", "dft", "rotation" (`[[cos, sin], [sin, -cos]]` of `angle`, in two
                dimensions its tensor product with itself), or rows of numbers: a unitary matrix `(2n, 2n)`; complex ones as
                texts such as "0.5+0.5j".
            rank: number of grid axes n, 1, 2 or 3.
            angle: of the coin "rotation", rad.
            phase: f in exp(i strength f) of a cell: "none", "linear" (the sum of its coordinates, from the middle: a constant
                force), "quadratic" (half the square of its distance from the middle), "random" (in -1 .. 1, fixed in time),
                or an array `(*grid)` of numbers.
            strength: factor on the phase, rad.
            phase_seed: of the phase "random".
            boundary: "periodic"; "reflect" (what would leave turns round); "zero" (it is lost, and the norm falls).

        Raises:
            ConfigError: an argument outside its range, or a coin that is not unitary.
        """
        super().__init__()
        self.set_components(2 * check_rank(rank, "quantumwalk"), rank, check_boundary(boundary, "quantumwalk"))
        self.angle, self.strength = angle, strength
        own = None if isinstance(coin, str) else own_coin(coin, 2 * rank, _WHERE)
        self.coin = coin if own is None else own
        self._coin: Sequence[Sequence[complex]] = _named_coin(coin, rank) if own is None else own
        self.phase = phase if isinstance(phase, str) else "own"
        self.phase_seed = phase_seed
        self.register_buffer("phase_key", torch.tensor([[phase_seed, 0]]), persistent=False)
        self.register_buffer("own_phase", _checked_phase(phase, rank), persistent=False)
        self.velocities = walk_velocities(2 * rank, rank)

    def forward(self, cells: Tensor) -> Tensor:
        parts = walked(mixed(components(cells), self._matrix(cells)), self.boundary)
        return cells_of(self._turned(parts, 1.0), cells)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before, to rounding: the phase is taken off, components move back, then the inverse coin."""
        parts = walked_back(self._turned(components(cells), -1.0), self.boundary)
        return cells_of(mixed(parts, adjoint(self._matrix(cells))), cells)

    def formula_rule(self) -> FormulaRule:
        rotated = self.coin == "rotation"
        size = range(2 * self.ranks[0])
        coin = tuple(tuple(f"coin{j}{k}" for k in size) for j in size) if rotated else tuple(map(tuple, self._coin))

        def numbers(cells: Tensor) -> dict[str, Any]:
            entries = enumerate(self._matrix(cells)) if rotated else ()
            mixing = {f"coin{j}{k}": entry for j, row in entries for k, entry in enumerate(row)}
            return mixing | {"strength": self.live("strength")}

        def turns(cells: Tensor) -> Tensor:
            return torch.cat([part.reshape(-1, 1, *cells.shape[2:]) for part in self._cos_sin(cells, 1.0)], 1)

        key = (self.phase, _mark(self.get_buffer("own_phase")), _mark(self.get_buffer("phase_key")))
        by_cell = None if self.phase == "none" else CellNumbers(("cos", "sin"), turns, key)
        beyond = [k ^ 1 for k in size] if self.boundary == "reflect" else []  # what goes back there, goes ahead from then on
        after = _after_coin(coin, turning=by_cell is not None)
        return wave_rule(after, numbers, self.boundary, moves=_moves(self.ranks[0]), beyond=beyond, by_cell=by_cell)

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        own = self.get_buffer("own_phase")
        if self.phase == "own" and tuple(own.shape) != grid:
            return f"its phase has {times(tuple(own.shape))} numbers; expected one a cell"
        return ""

    def _matrix(self, cells: Tensor) -> Sequence[Sequence[Weight]]:
        if self.coin != "rotation":
            return self._coin
        angle = self.spread("angle", cells).double()
        cos, sin = angle.cos(), angle.sin()
        single = ((cos, sin), (sin, -cos))
        if self.d_state == 2:
            return single
        pairs = [(a, b) for a in range(2) for b in range(2)]
        return [[single[a][c] * single[b][d] for c, d in pairs] for a, b in pairs]

    def _turned(self, parts: Sequence[Tensor], sign: float) -> Sequence[Tensor]:
        """The components times exp(i sign strength f)."""
        if self.phase == "none":
            return parts
        cos, sin = self._cos_sin(parts[0], sign)
        return [cos * part + sin * torch.stack((-part[:, 1], part[:, 0]), 1) for part in parts]

    def _cos_sin(self, cells: Tensor, sign: float) -> tuple[Tensor, Tensor]:
        """Of sign strength f: `(*grid)` each, or `(B, 1, *grid)` where the strength differs by universe."""
        phase = sign * self.spread("strength", cells).double() * self._profile(cells.shape[2:], cells.device)
        return phase.cos(), phase.sin()

    def why_not_split(self) -> str:
        return "" if self.phase == "none" else f'phase "{self.phase}" depends on the coordinates in the whole grid'

    def _profile(self, grid: Sequence[int], device: torch.device) -> Tensor:
        """The phase of each cell at strength 1, `(*grid)` in float64."""
        if self.phase == "own":
            return self.get_buffer("own_phase").double()
        if self.phase == "random":
            key = self.get_buffer("phase_key")
            words = hash_words(key, key[:, 1], grid)
            return words[0].double() / 2**31 - 1
        total = torch.zeros((), dtype=torch.float64, device=device)
        for side in grid:
            place = torch.arange(side, dtype=torch.float64, device=device) - side // 2
            total = total[..., None] + (place.square() / 2 if self.phase == "quadratic" else place)
        return total


@cache
def _after_coin(coin: tuple[tuple[Number, ...], ...], *, turning: bool) -> tuple[Amplitude, ...]:
    """The components of a cell, mixed by the coin; with a phase, turned by that of the cell to which they move."""
    parts = amplitudes(len(coin))
    after = (wave_formulas.mixed(row, parts) for row in coin)
    return tuple(part.rotated("cos", "sin") if turning else part for part in after)


def _moves(rank: int) -> list[tuple[int, ...]]:
    """Of each component."""
    return [tuple(way * (axis == other) for other in range(rank)) for axis in range(rank) for way in (-1, 1)]


def _mark(tensor: Tensor | None) -> object:
    """Equal as long as the tensor is, and its values are; those of an inference tensor are not followed."""
    return None if tensor is None else (id(tensor), None if tensor.is_inference() else tensor._version)


def _named_coin(name: str, rank: int) -> Sequence[Sequence[complex]]:
    match name:
        case "dft":
            return dft(2 * rank)
        case "grover":
            return grover(2 * rank)
        case "hadamard":
            return hadamard(rank, _WHERE)
        case "rotation" if rank < 3:
            return ()  # made of the present angle
        case "rotation":
            raise ConfigError(
                f'{_WHERE} coin: "rotation" given; for the 6 components of 3 axes expected dft, grover or a matrix'
            )
    raise ConfigError(f'{_WHERE} coin: "{name}" given; expected one of {", ".join(COINS)}, or rows of numbers')


def _checked_phase(phase: Any, rank: int) -> Tensor | None:
    """An array of phases as a tensor; None for a phase by name."""
    if isinstance(phase, str):
        if phase not in PHASES:
            raise ConfigError(f'{_WHERE} phase: "{phase}" given; expected one of {", ".join(PHASES)}, or numbers, one a cell')
        return None
    try:
        values = np.asarray(phase, np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim != rank or not values.size or not np.isfinite(values).all():
        raise ConfigError(
            f"{_WHERE} phase: expected one of {', '.join(PHASES)}, or finite numbers, one for each cell of {rank} axes"
        )
    return torch.from_numpy(values.copy())
