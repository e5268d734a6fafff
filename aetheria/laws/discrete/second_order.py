"""SecondOrder: reversible rules made of any rule by subtracting the past."""

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.laws.checks import RANKS, Boundary, check_rank
from aetheria.laws.discrete.life_3d import Life3D
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import DifferenceRule
from aetheria.laws.registry import register
from aetheria.laws.rules import law_from_rule
from aetheria.laws.states import StateLaw

_USUAL = {1: "W150", 2: "B1357/S02468", 3: "B4/S4"}  # by rank


@register
class SecondOrder(StateLaw):
    """Reversible rule: the next state is that of a given rule minus the state before, modulo the number of states.

    Cells: channel 0 the present, channel 1 the state before, each 0 .. states - 1. s' = f(s) - previous (for two states the
    exclusive or), previous' = s. `reverse` gives the state one step before, so that every run can be taken back.

    Source: E. Fredkin; T. Toffoli, N. Margolus, "Cellular Automata Machines", MIT Press 1987, chapter 14.
    """

    channels = 2
    ranks = RANKS
    radius: int | None = 1
    reversible = True

    def __init__(self, rule: str | None = None, *, rank: int | None = None, boundary: Boundary = "periodic") -> None:
        """
        Args:
            rule: of any law of whole states in one channel, as `law_from_rule` reads it: "B3/S23", "W150", "B5/S4,5"; for
                rank = 3 also as `Life3D` does. None for one worth watching.
            rank: number of grid axes, 1, 2 or 3; None for that of the rule, or two.
            boundary: of the rule's law.

        Raises:
            ConfigError: no such rule, or one that steps other grids.
        """
        super().__init__()
        if rank is not None:
            check_rank(rank, "secondorder")
        self.inner = _law_of(_USUAL[rank or 2] if rule is None else rule, rank, boundary)
        self.ranks, self.radius, self.boundary = self.inner.ranks, self.inner.radius, self.inner.boundary
        assert self.inner.states is not None
        self.set_states(self.inner.states)

    def forward(self, cells: Tensor) -> Tensor:
        present, past = cells[:, :1], cells[:, 1:]
        return torch.cat(((self.inner(present) - past) % self.states, present), 1)

    def difference_rule(self) -> DifferenceRule:
        return DifferenceRule(self.inner)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells `(B, 2, *grid)` one step before."""
        before: Tensor = self(cells.flip(1))
        return before.flip(1)

    @property
    def made_by_parts(self) -> bool:
        return super().made_by_parts and self.inner.made_by_parts

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup of the rule, that was empty the step before."""
        soup = self.inner.random_cells(grid, generator)
        return torch.cat((soup, torch.zeros_like(soup)))

    def seed_cell(self) -> Tensor:
        """A live cell that was dead the step before."""
        return torch.tensor([1.0, 0.0])

    @property
    def rule_string(self) -> str:
        return f"{self.inner.rule_string}R"  # as in "W150R", which `law_from_rule` reads


def _law_of(rule: str, rank: int | None, boundary: Boundary) -> Law:
    where = "[law.secondorder] rule"
    try:
        law = Life3D(rule, boundary=boundary) if rank == 3 else law_from_rule(rule, boundary=boundary)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    if law.states is None or law.channels != 1 or law.phases != 1 or law.stochastic:
        raise ConfigError(f'{where}: "{rule}" given, of law {law.name}; expected a rule of whole states in one channel')
    if rank not in (None, *law.ranks):
        raise ConfigError(f'{where}: "{rule}" given, for grids with rank = {law.ranks[0]}; expected one for rank = {rank}')
    return law
