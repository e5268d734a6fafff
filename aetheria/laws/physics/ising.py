"""Ising model in contact with a heat bath."""

import math
from typing import Literal

import torch
from torch import Tensor

from aetheria.laws.checks import check_choice
from aetheria.laws.controls import Control
from aetheria.laws.hash_noise import hash_words, threshold
from aetheria.laws.neighbourhoods import checkerboard
from aetheria.laws.physics.spins import SpinLaw, neighbour_spins, spins
from aetheria.laws.registry import register
from aetheria.laws.states import StochasticStateLaw

Dynamics = Literal["heat_bath", "metropolis"]
_MOST = 6  # neighbours, on a grid of three axes


@register
class Ising(SpinLaw, StochasticStateLaw):
    """Spins at inverse temperature beta, drawn anew on one colour of the checkerboard in each step.

    Cells: 0 (down) and 1 (up); energy -sum of s s' over bonds. "heat_bath": up with chance 1 / (1 + exp(-2 beta n)), n the
    sum of the neighbours' spins; "metropolis": turned over with chance min(1, exp(-2 beta s n)). Memory: see
    `StochasticStateLaw`. Critical at beta = ln(1 + sqrt 2) / 2 = 0.4407 in two dimensions, 0.2217 in three.

    Source: E. Ising, Z. Physik 31 (1925) 253; R. J. Glauber, J. Math. Phys. 4 (1963) 294; N. Metropolis et al., J. Chem.
    Phys. 21 (1953) 1087.
    """

    controls = (
        Control("beta", "inverse temperature, 1/J", 0.0, 1.0, lambda value: value >= 0, "a finite number of 0 or more"),
    )

    def __init__(self, beta: float = 0.44, *, dynamics: Dynamics = "heat_bath", boundary: str = "periodic") -> None:
        """
        Args:
            beta: inverse temperature in 1/J, 0 or more.
            dynamics: "heat_bath" or "metropolis".
            boundary: "periodic" (even sides), "zero" (open edges), or edges joined with a twist or shift across which the
                colours of the checkerboard alternate; see `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__(boundary, "ising")
        self.dynamics: Dynamics = check_choice(dynamics, ("heat_bath", "metropolis"), "[law.ising] dynamics")
        self.beta = beta

    def live_value(self, control: Control, value: float) -> Tensor:
        """By n, or s n for "metropolis", from -6 to 6: the words below which a spin turns up, or over."""
        chance = _heat_bath if self.dynamics == "heat_bath" else _metropolis
        return torch.tensor([threshold(chance(value * n)) for n in range(-_MOST, _MOST + 1)])

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor, *, phase: int) -> tuple[Tensor, ...]:
        own, around, grid = spins(cells), neighbour_spins(cells, self.boundary), cells.shape[2:]
        index = around if self.dynamics == "heat_bath" else own * around
        chance = self.live("beta").index_select(0, (index + _MOST).flatten()).view_as(index)
        drawn = hash_words(seed, step, grid, self.place)[:, None] < chance
        after = drawn if self.dynamics == "heat_bath" else (own > 0) ^ drawn
        turn = checkerboard(grid, phase, cells.device)
        return torch.where(turn, after, own > 0).to(cells.dtype), seed, step + 1


def _heat_bath(bias: float) -> float:
    return 1 / (1 + math.exp(-2 * bias)) if bias > -300 else 0.0


def _metropolis(bias: float) -> float:
    return min(1.0, math.exp(-2 * max(bias, 0.0)))
