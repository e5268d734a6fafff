"""Searches: batches of points that depend on the results of those before, by Optuna or pyribs."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source, installed
from aetheria.sweep.results import value_of
from aetheria.sweep.sweep_config import ARCHIVES, SearchConfig, SweepPlan
from aetheria.sweep.task import Row
from aetheria.sweep.unit_cube import UnitCube

Parameters = dict[str, Any]


class Sampler(Protocol):
    """Proposes parameters, and is told how good they were."""

    def ask(self, count: int) -> list[Parameters]:
        """Parameters of the next points."""
        ...

    def tell(self, scores: Sequence[float | None], measures: Sequence[list[float] | None]) -> None:
        """Score (greater is better) and measures of the points asked for last; None for points that gave none."""
        ...


class Search:
    """A search as a `Strategy`.

    Attributes:
        total: number of points at most, seeds included.
    """

    def __init__(self, plan: SweepPlan, settings: SearchConfig) -> None:
        """Raises ConfigError for a package that is missing, or a distribution without bounds."""
        for key, distribution in plan.distributions.items():
            if distribution.kind == "normal":
                raise ConfigError(f"[search.parameters] {key}: normal has no bounds, which a search needs; use uniform")
        seeds = plan.config.seeds
        self._seeds = seeds if isinstance(seeds, int) else len(seeds)
        self._settings, self._left = settings, settings.points
        self.total = settings.points * self._seeds
        self._sampler = _sampler(plan, settings)
        self._sign = 1.0 if settings.maximise else -1.0

    def ask(self) -> list[Parameters]:
        """The parameters of the next batch."""
        count = min(self._left, self._settings.batch)
        self._left -= count
        return self._sampler.ask(count) if count else []

    def tell(self, rows: Sequence[Row]) -> None:
        """Means over the seeds; a point of which a seed failed gives none."""
        groups = [rows[i : i + self._seeds] for i in range(0, len(rows), self._seeds)]
        objective = self._settings.maximise or self._settings.minimise or ""
        scores = [_mean(group, objective) for group in groups]
        measures = [[_mean(group, name) for name in self._settings.archive] for group in groups]
        self._sampler.tell(
            [None if score is None else self._sign * score for score in scores],
            [_within(found, self._settings.archive.values()) for found in measures],
        )


def _within(found: Sequence[float | None], ranges: Iterable[list[float]]) -> list[float] | None:
    """The measures of a point that lies within the ranges of an archive; None for others, which stay out of it."""
    inside = [value for value, (low, high) in zip(found, ranges, strict=True) if value is not None and low <= value <= high]
    return inside if len(inside) == len(found) else None


def _mean(rows: Sequence[Row], name: str) -> float | None:
    values = [value_of(row, name) if row["status"] == "done" else None for row in rows]
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _sampler(plan: SweepPlan, settings: SearchConfig) -> Sampler:
    package = "ribs" if settings.method in ARCHIVES else "optuna"
    if not installed(package):
        raise ConfigError(f'[search] method = "{settings.method}" needs {package}: {from_source("search")}')
    if package == "ribs":
        from aetheria.sweep.ribs_search import RibsSampler

        return RibsSampler(UnitCube(dict(plan.distributions)), settings)
    from aetheria.sweep.optuna_search import OptunaSampler

    return OptunaSampler(dict(plan.distributions), settings)
