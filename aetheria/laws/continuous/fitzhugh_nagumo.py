"""FitzHugh-Nagumo: an excitable medium with waves, spirals and stripes."""

import torch
from torch import Tensor

from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary
from aetheria.laws.controls import number_control, rate_control
from aetheria.laws.first_cells import by_parts, in_blocks
from aetheria.laws.forms import FormulaRule, Stencil
from aetheria.laws.formula import euler_steps
from aetheria.laws.laplacian import check_stencil, check_time_step, laplacian, why_unstable
from aetheria.laws.law_field import LawField
from aetheria.laws.layers import pad
from aetheria.laws.registry import register

_NUMBERS = ("epsilon", "a0", "a1", "Du", "Dv")
_NEXT = euler_steps({"u": "Du * lap(u) + u - u * u * u - v", "v": "Dv * lap(v) + epsilon * (u - a1 * v - a0)"}, _NUMBERS)


@register
class FitzHughNagumo(Law):
    """A fast variable u that excites itself, and a slow one v that brings it back:

        u <- u + dt (Du lap u + u - u^3 - v)
        v <- v + dt (Dv lap v + epsilon (u - a1 v - a0))

    Cells: channel 0 is u, about -1 to 1; channel 1 is v. Explicit Euler steps of dt at a grid spacing of 1.

    Sources: R. FitzHugh, Biophys. J. 1 (1961) 445; J. Nagumo, S. Arimoto, S. Yoshizawa, Proc. IRE 50 (1962) 2061.
    """

    channels = 2
    ranks = RANKS
    spreads_controls = True
    radius = 1
    default_field = "u"
    fields = ("u", "v", "channel", "mass", "energy", "gradient", *PLOTTED)
    own_fields = (
        LawField("u", "the fast variable", "1", (None, None), lambda _, cells: cells[:, 0], colour_map="balance"),
        LawField("v", "the slow variable", "1", (None, None), lambda _, cells: cells[:, 1], colour_map="balance"),
    )
    controls = (
        rate_control("epsilon", "rate of v against that of u", 0.0, 1.0),
        number_control("a0", "u at rest, where v is 0", -1.0, 1.0),
        number_control("a1", "decay of v against its growth by u", 0.0, 4.0),
        rate_control("Du", "diffusion constant of u", 0.0, 4.0),
        rate_control("Dv", "diffusion constant of v", 0.0, 4.0),
    )

    def __init__(
        self,
        epsilon: float = 0.05,
        a0: float = 0.1,
        a1: float = 2.0,
        *,
        Du: float = 1.0,  # noqa: N803 - letters of the formula
        Dv: float = 0.0,  # noqa: N803
        dt: float = 0.05,
        laplacian: Stencil = "5-point",
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            epsilon: rate of v against that of u.
            a0, a1: of the line u = a0 + a1 v on which v rests.
            Du, Dv: diffusion constants, in cells^2 per time unit.
            dt: time units per step.
            laplacian: "5-point" or "9-point"; see `aetheria.laws.laplacian`.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.epsilon, self.a0, self.a1, self.Du, self.Dv = epsilon, a0, a1, Du, Dv
        self.dt = check_time_step(dt, "fitzhughnagumo")
        self.laplacian = check_stencil(laplacian, "fitzhughnagumo")
        self.boundary: Boundary = check_boundary(boundary, "fitzhughnagumo")

    def forward(self, cells: Tensor) -> Tensor:
        epsilon, a0, a1, Du, Dv = (  # noqa: N806
            self.spread(name, cells) for name in ("epsilon", "a0", "a1", "Du", "Dv")
        )
        spread = laplacian(pad(cells, 1, self.boundary), self.laplacian)
        u, v = cells[:, :1], cells[:, 1:]
        change_u = Du * spread[:, :1] + u - u * u * u - v
        change_v = Dv * spread[:, 1:] + epsilon * (u - a1 * v - a0)
        return torch.cat((u + self.dt * change_u, v + self.dt * change_v), 1)

    def formula_rule(self) -> FormulaRule:
        def numbers(cells: Tensor) -> dict[str, Tensor | float]:
            return {"dt": self.dt, **{name: self.spread(name, cells) for name in _NUMBERS}}

        return FormulaRule(tuple(_NEXT), tuple(_NEXT.values()), numbers, self.boundary, self.laplacian)

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        fastest = max(float(self.live(name).max()) for name in ("Du", "Dv"))
        return why_unstable(fastest, self.dt, self.laplacian, len(grid))

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Patches of side 8 at random places of the cycle: u from -1 to 1, v from -0.5 to 0.5."""
        cells = 2 * in_blocks(2, 8, grid, generator) - 1
        return cells * torch.tensor([1.0, 0.5]).view(-1, *[1] * len(grid))

    def seed_cell(self) -> Tensor:
        """An excited cell."""
        return torch.tensor([1.0, 0.0])
