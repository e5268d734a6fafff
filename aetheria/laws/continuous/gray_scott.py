"""Gray-Scott: two substances that react and diffuse into spots, stripes and spirals."""

import torch
from torch import Tensor

from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary
from aetheria.laws.controls import rate_control
from aetheria.laws.first_cells import by_parts, in_blocks
from aetheria.laws.forms import FormulaRule, Stencil
from aetheria.laws.formula import euler_steps
from aetheria.laws.laplacian import check_stencil, check_time_step, laplacian, why_unstable
from aetheria.laws.law_field import LawField
from aetheria.laws.layers import pad
from aetheria.laws.registry import register

_NUMBERS = ("F", "k", "Du", "Dv")
_NEXT = euler_steps({"u": "Du * lap(u) - u * v * v + F * (1 - u)", "v": "Dv * lap(v) + u * v * v - (F + k) * v"}, _NUMBERS)
_PATCH = 8  # side in cells of the patches of noise


def concentration(name: str, channel: int) -> LawField:
    """A field that shows a channel as the concentration of a substance."""
    return LawField(name, f"concentration of {name.upper()}", "1", (0, None), lambda _, cells: cells[:, channel])


@register
class GrayScott(Law):
    """U is fed and V decays, and V turns U into more of itself: U + 2 V -> 3 V.

        U <- U + dt (Du lap U - U V^2 + F (1 - U))
        V <- V + dt (Dv lap V + U V^2 - (F + k) V)

    Cells: channel 0 is the concentration of U, channel 1 that of V, both in 0..1; explicit Euler steps of dt at a grid
    spacing of 1.

    Sources: P. Gray, S. K. Scott, Chem. Eng. Sci. 39 (1984) 1087; J. E. Pearson, Science 261 (1993) 189, whose
    diffusion constants, 2e-5 and 1e-5 at a spacing of 2.5 / 256, are 0.2097152 and 0.1048576 here (0.16 and 0.08
    are stable in three dimensions, too).
    """

    channels = 2
    ranks = RANKS
    spreads_controls = True
    radius = 1
    value_range = (0.0, 1.0)
    default_field = "v"
    fields = ("u", "v", "channel", "mass", "energy", "gradient", *PLOTTED)
    own_fields = (concentration("u", 0), concentration("v", 1))
    controls = (
        rate_control("F", "feed rate of U", 0.0, 0.1),
        rate_control("k", "rate of decay of V beyond the feed rate", 0.03, 0.08),
        rate_control("Du", "diffusion constant of U", 0.0, 1.0),
        rate_control("Dv", "diffusion constant of V", 0.0, 0.5),
    )

    def __init__(
        self,
        F: float = 0.035,  # noqa: N803 - the papers' letters
        k: float = 0.065,
        *,
        Du: float = 0.16,  # noqa: N803
        Dv: float = 0.08,  # noqa: N803
        dt: float = 1.0,
        laplacian: Stencil = "5-point",
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            F: feed rate.
            k: rate of decay of V beyond the feed rate.
            Du, Dv: diffusion constants, in cells^2 per time unit.
            dt: time units per step.
            laplacian: "5-point" or "9-point"; see `aetheria.laws.laplacian`.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.F, self.k, self.Du, self.Dv = F, k, Du, Dv
        self.dt = check_time_step(dt, "grayscott")
        self.laplacian = check_stencil(laplacian, "grayscott")
        self.boundary: Boundary = check_boundary(boundary, "grayscott")

    def forward(self, cells: Tensor) -> Tensor:
        F, k, Du, Dv = (self.spread(name, cells) for name in ("F", "k", "Du", "Dv"))  # noqa: N806
        spread = laplacian(pad(cells, 1, self.boundary), self.laplacian)
        u, v = cells[:, :1], cells[:, 1:]
        reaction = u * v * v
        change_u = Du * spread[:, :1] - reaction + F * (1 - u)
        change_v = Dv * spread[:, 1:] + reaction - (F + k) * v
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
        """U = 1 and V = 0, with patches of U = 1/2 and V = 1/4 on a tenth of the grid, and one per cent of noise."""
        seeded = in_blocks(1, _PATCH, grid, generator)[0] < 0.1
        noise = 0.01 * torch.rand(2, *grid, generator=generator)
        return torch.stack((torch.where(seeded, 0.5, 1.0) - noise[0], torch.where(seeded, 0.25, 0.0) + noise[1]))

    def seed_cell(self) -> Tensor:
        """U = 1/2 and V = 1/4."""
        return torch.tensor([0.5, 0.25])

    def rest_cell(self) -> Tensor:
        """U alone."""
        return torch.tensor([1.0, 0.0])
