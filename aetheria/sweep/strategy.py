"""Strategies: which points come next. A grid and random points are known at once; a search asks for them batch by batch."""

from collections.abc import Sequence
from typing import Any, Protocol

from aetheria.sweep.points import fixed_parameters
from aetheria.sweep.search import Search
from aetheria.sweep.sweep_config import SweepPlan
from aetheria.sweep.task import Row


class Strategy(Protocol):
    """Asked for parameters, told their rows, in turn.

    It depends on its seed and on what it is told alone: a search that was killed goes on by being told the rows that are there.

    Attributes:
        total: number of points, seeds included; at most.
    """

    total: int

    def ask(self) -> list[dict[str, Any]]:
        """The parameters of the next points; none where the sweep is at its end."""
        ...

    def tell(self, rows: Sequence[Row]) -> None:
        """The rows of the parameters that were asked for, in their order; one for each seed of each."""
        ...


class AllAtOnce:
    """The points of [grid] and [random].

    Attributes:
        total: number of points, seeds included.
    """

    def __init__(self, plan: SweepPlan) -> None:
        self._parameters = list(fixed_parameters(plan))
        seeds = plan.config.seeds
        self.total = len(self._parameters) * (seeds if isinstance(seeds, int) else len(seeds))

    def ask(self) -> list[dict[str, Any]]:
        """All of them, once."""
        asked, self._parameters = self._parameters, []
        return asked

    def tell(self, rows: Sequence[Row]) -> None:
        """Nothing depends on the rows."""


def strategy_of(plan: SweepPlan) -> Strategy:
    """The strategy of a sweep. Raises ConfigError where a search needs a package that is not installed."""
    return AllAtOnce(plan) if plan.config.search is None else Search(plan, plan.config.search)
