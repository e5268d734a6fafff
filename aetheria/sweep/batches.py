"""Batches: points that one motor can run together, a universe each, with the results that each would have by itself."""

from collections.abc import Iterator, Sequence

from aetheria.core.errors import ConfigError
from aetheria.laws import find_law
from aetheria.sweep.points import Point
from aetheria.sweep.sweep_config import SweepPlan

MOST_UNIVERSES = 64


def batches(plan: SweepPlan, points: Sequence[Point], slots: int) -> Iterator[tuple[Point, ...]]:
    """The points in groups that differ in their seed alone, in their order; most groups are of one.

    Universes are equal to runs of their own to the bit only where every plan of the law gives the same bits, and where the seed
    decides nothing but the first cells: laws of whole states without chance. A motor has one seed, and one recording.

    Args:
        slots: tasks that run at a time: there are at least as many groups, if there are as many points.
    """
    most = max(1, min(MOST_UNIVERSES, len(points) // max(1, slots)))
    group: list[Point] = []
    for point in points:
        if group and (len(group) == most or point.parameters != group[0].parameters or not _joins(plan, point)):
            yield tuple(group)
            group = []
        group.append(point)
    if group:
        yield tuple(group)


def _joins(plan: SweepPlan, point: Point) -> bool:
    if plan.config.recordings or plan.config.pictures or point.values.get("batch", 1) != 1:
        return False
    law = point.values.get("law")
    try:
        known = find_law(law["name"]) if isinstance(law, dict) and isinstance(law.get("name"), str) else None
    except ConfigError:
        return False
    return getattr(known, "exact", False) is True and getattr(known, "stochastic", True) is False and _plain_seed(point)


def _plain_seed(point: Point) -> bool:
    return isinstance(point.seed, int) and not isinstance(point.seed, bool) and 0 <= point.seed < 1 << 63
