"""Coupled map lattice: chaotic maps that mix with their neighbours."""

import torch
from torch import Tensor

from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary
from aetheria.laws.controls import Control
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import FormulaRule, Stencil
from aetheria.laws.formula import named
from aetheria.laws.laplacian import check_stencil, laplacian
from aetheria.laws.layers import pad, window
from aetheria.laws.registry import register


@register
class CoupledMapLattice(Law):
    """x <- (1 - epsilon) f(x) + epsilon times the mean of f over the neighbours, with the logistic map f(x) = 1 - a x^2.

    Cells: one channel x in -1..1, where it stays. The mean is over the 2 n neighbours along the axes ("5-point"), or over
    all 3^n - 1 with the weights of the isotropic Laplacian ("9-point").

    Source: K. Kaneko, Prog. Theor. Phys. 72 (1984) 480; K. Kaneko, Physica D 34 (1989) 1 (pattern selection).
    """

    channels = 1
    ranks = RANKS
    spreads_controls = True
    radius = 1
    value_range = (-1.0, 1.0)
    controls = (
        Control("a", "nonlinearity of the map", 0.0, 2.0, lambda value: 0 <= value <= 2, "0 <= a <= 2"),
        Control("epsilon", "share of the neighbours", 0.0, 1.0, lambda value: 0 <= value <= 1, "0 <= epsilon <= 1"),
    )
    fields = ("channel", "density", "mass", "energy", "gradient", *PLOTTED)

    def __init__(
        self,
        a: float = 1.75,
        epsilon: float = 0.3,
        *,
        laplacian: Stencil = "5-point",
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            a: nonlinearity of the map, 0 to 2; chaotic for most values above 1.4.
            epsilon: share of the neighbours in a step, 0 to 1.
            laplacian: neighbours that count: "5-point" or "9-point"; see `aetheria.laws.laplacian`.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.a, self.epsilon = a, epsilon
        self.laplacian = check_stencil(laplacian, "coupledmaplattice")
        self.boundary: Boundary = check_boundary(boundary, "coupledmaplattice")

    def forward(self, cells: Tensor) -> Tensor:
        halo = 1 - self.spread("a", cells) * pad(cells, 1, self.boundary).square()
        mapped = window(halo, (1,) * (cells.ndim - 2), cells.shape[2:])
        away = laplacian(halo, self.laplacian)  # the mean of the neighbours minus the cell, times the number of neighbours
        return mapped + self._share(cells) * away

    def _share(self, cells: Tensor) -> Tensor:
        """The factor on the Laplacian: `epsilon`, divided among the neighbours."""
        return self.spread("epsilon", cells) / (2 * (cells.ndim - 2) if self.laplacian == "5-point" else 1)

    def formula_rule(self) -> FormulaRule:
        def numbers(cells: Tensor) -> dict[str, Tensor]:
            return {"a": self.spread("a", cells), "share": self._share(cells)}

        x = named("x")
        mapped = 1 - named("a") * (x * x)
        return FormulaRule(("x",), (mapped + named("share") * mapped.lap(),), numbers, self.boundary, self.laplacian)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Values drawn evenly from -1 to 1."""
        return 2 * torch.rand(1, *grid, generator=generator) - 1

    def other_values(self, cells: Tensor) -> Tensor:
        return torch.where(cells > 0, cells - 1, cells + 1)
