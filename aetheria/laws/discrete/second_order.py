"""SecondOrder: reversible rules made of any rule by subtracting the past."""

from collections.abc import Callable

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.laws.checks import RANKS, Boundary, check_rank
from aetheria.laws.discrete.elementary import Elementary
from aetheria.laws.discrete.life import Life
from aetheria.laws.discrete.life_3d import Life3D
from aetheria.laws.registry import register
from aetheria.laws.states import StateLaw

_LAWS: dict[int, tuple[Callable[..., Law], str]] = {1: (Elementary, "W150"), 2: (Life, "B1357/S02468"), 3: (Life3D, "B4/S4")}


@register
class SecondOrder(StateLaw):
    """Reversible rule: the next state is that of a given rule minus the state before, modulo the number of states.

    Cells: channel 0 the present, channel 1 the state before, each 0 .. states - 1. s' = f(s) - previous (for two states the
    exclusive or), previous' = s. `reverse` gives the state one step before, so that every run can be taken back.

    Source: E. Fredkin; T. Toffoli, N. Margolus, "Cellular Automata Machines", MIT Press 1987, chapter 14.
    """

    channels = 2
    ranks = RANKS
    radius = 1
    reversible = True

    def __init__(self, rule: str | None = None, *, rank: int = 2, boundary: Boundary = "periodic") -> None:
        """
        Args:
            rule: for a grid of one axis as "W150", of two as "B3/S23", of three as "B5/S4,5"; None for one worth watching.
            rank: number of grid axes, 1, 2 or 3.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: no such rule.
        """
        super().__init__()
        self.ranks = (check_rank(rank, "secondorder"),)
        make, usual = _LAWS[rank]
        try:
            self.inner = make(usual if rule is None else rule, boundary=boundary)
        except ConfigError as error:
            raise ConfigError(f"[law.secondorder] rule for a grid with rank = {rank}: {error}") from error
        self.boundary = self.inner.boundary
        assert self.inner.states is not None
        self.set_states(self.inner.states)

    def forward(self, cells: Tensor) -> Tensor:
        present, past = cells[:, :1], cells[:, 1:]
        return torch.cat(((self.inner(present) - past) % self.states, present), 1)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells `(B, 2, *grid)` one step before."""
        before: Tensor = self(cells.flip(1))
        return before.flip(1)

    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup of the rule, that was empty the step before."""
        soup = self.inner.random_cells(grid, generator)
        return torch.cat((soup, torch.zeros_like(soup)))

    def seed_cell(self) -> Tensor:
        """A live cell that was dead the step before."""
        return torch.tensor([1.0, 0.0])

    @property
    def rule_string(self) -> str:
        return f"{self.inner.rule_string} R"
