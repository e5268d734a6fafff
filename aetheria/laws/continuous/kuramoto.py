"""Kuramoto: oscillators that draw their neighbours' phases towards their own."""

import math
from typing import Any

import torch
from torch import Tensor

from aetheria.core.sums import Sums
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary
from aetheria.laws.controls import number_control
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import FormulaRule
from aetheria.laws.formula import NEAR, around, named
from aetheria.laws.laplacian import axis_neighbours, check_time_step
from aetheria.laws.law_field import LawField
from aetheria.laws.layers import pad
from aetheria.laws.registry import register


def _angle(_: Law, cells: Tensor) -> Tensor:
    return torch.remainder(cells[:, 0] + math.pi, 2 * math.pi) - math.pi


def _order(_: Law, cells: Tensor, sums: Sums) -> Tensor:
    theta = cells[:, 0].double()
    return torch.hypot(sums.mean(theta.cos()), sums.mean(theta.sin()))


@register
class Kuramoto(Law):
    """theta <- theta + dt (omega + K sum of sin(theta_j - theta)), over the 2 n neighbours along the axes.

    Cells: one channel, the phase theta of an oscillator in radians, which grows without end: the mean of all phases by dt
    omega in each step (on a torus). A float32 of a large phase has few digits left: omega = 0, a frame that turns along, is
    wanted for runs of more than 10,000 turns.

    Source: Y. Kuramoto, Chemical Oscillations, Waves, and Turbulence, Springer 1984; on a lattice: H. Sakaguchi,
    S. Shinomoto, Y. Kuramoto, Prog. Theor. Phys. 77 (1987) 1005.
    """

    channels = 1
    ranks = RANKS
    spreads_controls = True
    radius = 1
    default_field = "angle"
    fields = ("angle", "order", "channel", "energy", *PLOTTED)
    own_fields = (
        LawField("angle", "theta, from -pi to pi", "rad", (-math.pi, math.pi), _angle, colour_map="phase", cyclic=True),
        LawField(
            "order", "|mean of exp(i theta)|, 1 where all phases are equal", "1", (0, 1), _order, scalar=True, summed=True
        ),
    )
    controls = (
        number_control("K", "strength of the coupling, radians per time unit", -2.0, 2.0),
        number_control("omega", "frequency of each oscillator, radians per time unit", -2.0, 2.0),
    )

    def __init__(
        self,
        K: float = 0.8,  # noqa: N803 - the paper's letter
        omega: float = 0.1,
        *,
        dt: float = 0.1,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            K: strength of the coupling; below 0, neighbours draw apart.
            omega: frequency of each oscillator, radians per time unit.
            dt: time units per step.
            boundary: "periodic", "zero" (beyond the edge all phases are 0) or "reflect".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.K, self.omega = K, omega
        self.dt = check_time_step(dt, "kuramoto")
        self.boundary: Boundary = check_boundary(boundary, "kuramoto")

    def forward(self, cells: Tensor) -> Tensor:
        pull = torch.zeros_like(cells)
        for neighbour in axis_neighbours(pad(cells, 1, self.boundary)):
            pull = pull + torch.sin(neighbour - cells)
        return cells + self.dt * (self.spread("omega", cells) + self.spread("K", cells) * pull)

    def formula_rule(self) -> FormulaRule:
        def numbers(cells: Tensor) -> dict[str, Any]:
            return {"K": self.spread("K", cells), "omega": self.spread("omega", cells), "dt": self.dt}

        theta = named("theta")
        pull = around("theta", (named(NEAR + "theta") - theta).sin())
        after = theta + named("dt") * (named("omega") + named("K") * pull)
        return FormulaRule(("theta",), (after,), numbers, self.boundary)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Phases drawn evenly from the circle."""
        return math.pi * (2 * torch.rand(1, *grid, generator=generator) - 1)

    def other_values(self, cells: Tensor) -> Tensor:
        return cells + 1
