"""Points of a sweep: the parameters and the seed of one run each, and the key by which a finished one is found again."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aetheria.core.errors import ConfigError
from aetheria.runs.config import with_settings
from aetheria.sweep.sweep_config import SweepPlan

MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        index: its place in the sweep.
        parameters: the varied settings by dotted key.
        seed: of the run.
        values: of its config, not yet checked: what is wrong with one point harms no other.
        key: digest of the config and the observables: equal for equal runs.
    """

    index: int
    parameters: dict[str, Any]
    seed: int
    values: dict[str, Any]
    key: str


def fixed_parameters(plan: SweepPlan) -> Iterator[dict[str, Any]]:
    """The parameters of [grid] and [random]: each random draw with each combination of the grid's values.

    Raises:
        ConfigError: more combinations than a sweep may have.
    """
    draws = plan.config.random.points if plan.config.random else 1
    count = draws
    for values in plan.grid.values():
        count *= len(values)
    if count > MOST_POINTS:
        raise ConfigError(f"[grid] {count:,} points; expected {MOST_POINTS:,} at most")
    for number in range(draws):
        drawn = _drawn(plan, number)
        for combination in itertools.product(*plan.grid.values()):
            yield {**dict(zip(plan.grid, combination, strict=True)), **drawn}


def points_of(plan: SweepPlan, parameters: Sequence[dict[str, Any]], first: int) -> list[Point]:
    """The points of some parameters, one for each seed, counted from `first`."""
    made: list[Point] = []
    for given in parameters:
        for seed in _seeds(plan, given):
            values = with_settings(plan.base, given, plan.folder) | {"seed": seed}
            made.append(Point(first + len(made), given, seed, values, _key(plan, values)))
    return made


def _drawn(plan: SweepPlan, number: int) -> dict[str, Any]:
    if plan.config.random is None:
        return {}
    # A generator for each point: more points begin with the same ones.
    generator = np.random.default_rng([plan.config.random.seed, number])
    return {key: distribution.draw(generator) for key, distribution in plan.distributions.items()}


def _seeds(plan: SweepPlan, given: dict[str, Any]) -> list[Any]:
    seeds, first = plan.config.seeds, given.get("seed", plan.base.get("seed", 0))
    if isinstance(seeds, list):
        return list(seeds)
    return list(range(first, first + seeds)) if isinstance(first, int) else [first]


def _key(plan: SweepPlan, values: dict[str, Any]) -> str:
    text = json.dumps([values, plan.config.measure.model_dump()], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
