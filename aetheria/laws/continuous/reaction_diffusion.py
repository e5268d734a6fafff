"""Reaction and diffusion with formulas of one's own."""

import re
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, nearest
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice
from aetheria.laws.controls import Control, number_control, rate_control
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import FormulaRule, Stencil
from aetheria.laws.formula import CONSTANTS, FUNCTIONS, LAP, Formula, euler_step, named, parse_formula
from aetheria.laws.laplacian import check_stencil, check_time_step, laplacian, why_unstable
from aetheria.laws.law_field import LawField
from aetheria.laws.layers import pad
from aetheria.laws.registry import register

Scheme = Literal["euler", "symplectic"]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}")
_MOST_SPECIES = 16
_ATTRIBUTES = ("reaction", "diffusion", "constants", "rest", "spot", "noise", "dt", "scheme", "species", "formulas", "training")
_USUAL = {"u": "u - u^3"}  # of A. C. Newell, J. A. Whitehead and L. A. Segel


@register
class ReactionDiffusion(Law):
    """Each species x changes by dt (D_x lap x + f_x), where f_x is a formula of all species and constants.

    Cells: a channel for each species, in the order of `reaction`; steps of dt at a grid spacing of 1. "euler": all changes are
    taken from the old values. "symplectic": one species after the other, each from the values that those before it have now;
    it keeps the energy of waves. Constants are controls, those of diffusion as D_u, D_v ..; they may have any value that
    the formulas allow.

    Sources: A. M. Turing, Phil. Trans. R. Soc. B 237 (1952) 37; the formulas that the shipped configs use are cited there.
    """

    ranks = RANKS
    spreads_controls = True
    channels = 1

    def __init__(
        self,
        reaction: dict[str, str] | None = None,
        diffusion: dict[str, float] | None = None,
        constants: dict[str, float] | None = None,
        *,
        rest: dict[str, float] | None = None,
        spot: dict[str, float] | None = None,
        noise: float = 0.1,
        dt: float = 0.05,
        scheme: Scheme = "euler",
        laplacian: Stencil = "5-point",
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            reaction: by species, its formula, as in {"u": "-u*v^2 + F*(1-u)"}: + - * / ^, numbers, pi, species, constants,
                abs, cos, exp, log, max, min, sign, sin, sqrt, tanh, and lap(..), the Laplacian of what it is given.
            diffusion: by species, its diffusion constant, in cells^2 per time unit; 0 where left out.
            constants: by name, the constants of the formulas.
            rest: by species, the value around which random cells are drawn, and around seeds; 0 where left out.
            spot: by species, the value of a seed; one more than `rest` in all species by default.
            noise: half the width of random cells around `rest`.
            dt: time units per step.
            scheme: "euler" or "symplectic".
            laplacian: "5-point" or "9-point"; see `aetheria.laws.laplacian`.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: a formula with an unknown name or a part that is not allowed, or a setting outside its range.
        """
        super().__init__()
        self.reaction = dict(_USUAL if reaction is None else reaction)
        self.constants = dict(constants or {})
        self.species = _checked_names(list(self.reaction), list(self.constants))
        self.channels = len(self.species)
        known = dict.fromkeys(self.species, "species") | dict.fromkeys(self.constants, "constants")
        table = "[law.reactiondiffusion.reaction]"
        self.formulas = tuple(parse_formula(text, known, f"{table} {name}") for name, text in self.reaction.items())
        usual = {"u": 0.5} if reaction is None else {}
        self.diffusion = self._by_species(usual if diffusion is None else diffusion, "diffusion")
        self.rest = self._by_species(rest or {}, "rest")
        self.spot = self._by_species(spot or {name: value + 1 for name, value in self.rest.items()}, "spot")
        self._set_controls()
        self.noise = number_control("noise", "", 0, 1).checked(noise, self._where())
        self.dt = check_time_step(dt, "reactiondiffusion")
        self.scheme: Scheme = check_choice(scheme, ("euler", "symplectic"), f"{self._where()} scheme")
        self.laplacian = check_stencil(laplacian, "reactiondiffusion")
        self.boundary: Boundary = check_boundary(boundary, "reactiondiffusion")
        self.default_field = self.species[0]
        self.fields: tuple[str, ...] = (*self.species, "channel", "mass", "energy", "gradient", *PLOTTED)
        self.own_fields = tuple(_field(name, channel) for channel, name in enumerate(self.species))

    def _by_species(self, given: dict[str, float], table: str) -> dict[str, float]:
        """A number for each species, 0 where none is given."""
        for name, value in given.items():
            if name not in self.species:
                raise ConfigError(
                    f"[law.reactiondiffusion.{table}] {name}: unknown species; {nearest(name, list(self.species))}"
                )
            number_control(name, "", 0, 1).checked(value, f"[law.reactiondiffusion.{table}]")
        return {name: float(given.get(name, 0)) for name in self.species}

    def _set_controls(self) -> None:
        spreads = {f"D_{name}": value for name, value in self.diffusion.items()}
        made: list[Control] = []
        for name, value in self.constants.items():
            ends = (min(0.0, 2 * value), max(0.0, 2 * value)) if value else (-1.0, 1.0)
            made.append(number_control(name, "constant of the formulas", *ends))
        for name, value in spreads.items():
            made.append(rate_control(name, f"diffusion constant of {name[2:]}", 0.0, 2 * value or 1.0))
        self.controls = tuple(made)  # type: ignore[misc]  # of the instance: its constants
        for name, value in (self.constants | spreads).items():
            setattr(self, name, value)

    @property
    def radius(self) -> int:  # type: ignore[override]  # follows the formulas
        reaches = [max(formula.reach, 1) for formula in self.formulas]
        return sum(reaches) if self.scheme == "symplectic" else max(reaches)

    def forward(self, cells: Tensor) -> Tensor:
        values = {name: cells[:, k : k + 1] for k, name in enumerate(self.species)}
        constants = {name: self.spread(name, cells) for name in self.constants}
        after = dict(values)
        for name, formula in zip(self.species, self.formulas, strict=True):
            now = (after if self.scheme == "symplectic" else values) | constants
            change = self.spread(f"D_{name}", cells) * self._lap(now[name]) + self._evaluated(formula, now)
            after[name] = values[name] + self.dt * change
        return torch.cat([after[name] for name in self.species], 1)

    def _evaluated(self, formula: Formula, now: dict[str, Tensor]) -> Tensor | float:
        return formula.evaluated(now, self._lap)

    def formula_rule(self) -> FormulaRule | None:
        if self.scheme == "symplectic" or (self.boundary == "zero" and any(map(_takes_laplacian_of_formula, self.formulas))):
            return None  # the Laplacian is that of values which are 0 beyond the edge, and not of a formula of cells that are 0

        def numbers(cells: Tensor) -> dict[str, Tensor | float]:
            rates = {name: self.spread(name, cells) for name in (*self.constants, *(f"D_{name}" for name in self.species))}
            return {"dt": self.dt, **rates}

        changes = zip(self.species, self.formulas, strict=True)
        after = tuple(euler_step(name, _with_diffusion(name, formula)) for name, formula in changes)
        return FormulaRule(self.species, after, numbers, self.boundary, self.laplacian)

    def _lap(self, values: Tensor) -> Tensor:
        return laplacian(pad(values, 1, self.boundary), self.laplacian)

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        fastest = max(float(self.live(f"D_{name}").max()) for name in self.species)
        return why_unstable(fastest, self.dt, self.laplacian, len(grid))

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Values drawn evenly around `rest`, up to `noise` away."""
        drawn = self.noise * (2 * torch.rand(self.channels, *grid, generator=generator) - 1)
        return self.rest_cell().view(-1, *[1] * len(grid)) + drawn

    def rest_cell(self) -> Tensor:
        """`rest`."""
        return torch.tensor([self.rest[name] for name in self.species])

    def seed_cell(self) -> Tensor:
        """`spot`."""
        return torch.tensor([self.spot[name] for name in self.species])

    def other_values(self, cells: Tensor) -> Tensor:
        return cells + 0.5


def _takes_laplacian_of_formula(formula: Formula) -> bool:
    inside = formula.kind == LAP and formula.parts[0].kind != "name"
    return inside or any(map(_takes_laplacian_of_formula, formula.parts))


def _with_diffusion(name: str, formula: Formula) -> Formula:
    """`D_name * lap(name) + formula`."""
    return named(f"D_{name}") * named(name).lap() + formula


def _field(name: str, channel: int) -> LawField:
    return LawField(name, f"species {name}", "1", (None, None), partial(_channel, channel))


def _channel(channel: int, _: Law, cells: Tensor) -> Tensor:
    return cells[:, channel]


def _checked_names(species: list[str], constants: list[str]) -> tuple[str, ...]:
    """The species. Raises ConfigError for names that are none, are taken, or occur twice."""
    where = "[law.reactiondiffusion"
    if not 1 <= len(species) <= _MOST_SPECIES:
        raise ConfigError(f"{where}] reaction: {len(species)} species given; expected 1 to {_MOST_SPECIES}")
    taken = {*CONSTANTS, *FUNCTIONS, LAP, *(f"D_{name}" for name in species), *Law.fields, *_ATTRIBUTES}
    for table, names in (("reaction", species), ("constants", constants)):
        for name in names:
            if not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise ConfigError(f"{where}.{table}] {name}: no name; expected a letter, then letters, digits or _, 20 at most")
            if (
                name in taken
                or (table == "constants" and (name in species or hasattr(ReactionDiffusion, name)))
                or name.startswith("live_")
            ):
                raise ConfigError(f"{where}.{table}] {name}: this name is taken; choose another")
            if table == "reaction" and re.fullmatch(r"(\w+_)?\d+", name):
                raise ConfigError(f"{where}.{table}] {name}: a species cannot end in _ and a number; choose another")
    return tuple(species)
