"""Batches: points that one motor can run together, a universe each."""

from collections.abc import Iterator, Sequence
from typing import Any

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.laws import find_law
from aetheria.laws.base import Law, as_law
from aetheria.runs.config import RunConfig
from aetheria.runs.run import law_from_config
from aetheria.sweep.points import Point
from aetheria.sweep.sweep_config import SweepPlan

MOST_UNIVERSES = 64


def batches(plan: SweepPlan, points: Sequence[Point], slots: int) -> Iterator[tuple[Point, ...]]:
    """The points in groups for one motor each, in their order; most groups are of one.

    Points of laws of whole states without chance that differ in their seed alone run together: there every plan gives the bits
    of runs of their own. Where `batched` says so, so do points that differ in their seed and in controls that the law takes for
    each universe. A motor has one recording, and draws by one seed.

    Args:
        slots: tasks that run at a time: there are at least as many groups, if there are as many points.
    """
    most = max(1, min(MOST_UNIVERSES, len(points) // max(1, slots)))
    group: list[Point] = []
    shared: Any = None
    for point in points:
        own = _shared(plan, point)
        if group and (len(group) == most or own is None or own != shared):
            yield tuple(group)
            group = []
        group.append(point)
        shared = own
    if group:
        yield tuple(group)


def law_of(config: RunConfig) -> Law:
    """The law of a point's run. Raises AetheriaError where it cannot be built."""
    module, d_state = law_from_config(config.law, config.d_state, len(config.grid.sides))
    return as_law(module, d_state)


def _shared(plan: SweepPlan, point: Point) -> Any:
    """The settings that points of one group have in common with this one; None where it runs by itself."""
    if plan.config.recordings or plan.config.pictures or point.values.get("batch", 1) != 1:
        return None
    law = point.values.get("law")
    try:
        known = find_law(law["name"]) if isinstance(law, dict) and isinstance(law.get("name"), str) else None
    except ConfigError:
        return None
    if known is None or not issubclass(known, Law) or known.stochastic or not _plain_seed(point):
        return None
    if known.exact:
        return point.parameters | {"seed": 0}
    if not (plan.config.batched and known.spreads_controls):
        return None
    return {key: value for key, value in point.parameters.items() if key not in _spread(point)} | {"seed": 0}


def _spread(point: Point) -> set[str]:
    """The varied keys whose values are numbers of a control of the law."""
    keys = {key for key, value in point.parameters.items() if key.startswith("law.") and isinstance(value, int | float)}
    if not keys:
        return set()
    try:
        law = law_of(RunConfig.checked(point.values, ""))
    except AetheriaError:  # its row will say so
        return set()
    names = {control.name for control in law.controls}
    return {key for key in keys if key.rpartition(".")[2] in names}


def _plain_seed(point: Point) -> bool:
    return isinstance(point.seed, int) and not isinstance(point.seed, bool) and 0 <= point.seed < 1 << 63
