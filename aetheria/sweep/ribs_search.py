"""pyribs as a sampler of points: MAP-Elites and CMA-ME fill an archive over measures, batch by batch.

Sources: J.-B. Mouret, J. Clune, "Illuminating search spaces by mapping elites", 2015, arXiv:1504.04909; M. Fontaine et al.,
"Covariance Matrix Adaptation for the Rapid Illumination of Behavior Space", GECCO 2020, arXiv:1912.02400.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter, GaussianEmitter

from aetheria.sweep.sweep_config import SearchConfig
from aetheria.sweep.unit_cube import UnitCube

_MUTATION = 0.1  # standard deviation, of a side of the cube
_FIRST_SPREAD = 0.2


class RibsSampler:
    """An emitter of pyribs and its archive, in the unit cube of the parameters."""

    def __init__(self, cube: UnitCube, settings: SearchConfig) -> None:
        self._cube = cube
        ranges = [tuple(limits) for limits in settings.archive.values()]
        cells = [settings.cells] * len(ranges)
        self._archive: Any = GridArchive(solution_dim=cube.side, dims=cells, ranges=ranges, seed=settings.seed)
        self._emitter: Any = _emitter(self._archive, cube.side, settings)
        self._asked: NDArray[np.float64] = np.empty((0, cube.side))

    def ask(self, count: int) -> list[dict[str, Any]]:
        """As `Sampler.ask`; of the last batch, which may be a part, the first ones."""
        self._asked = np.asarray(self._emitter.ask())
        return [self._cube.parameters(place) for place in self._asked[:count]]

    def tell(self, scores: Sequence[float | None], measures: Sequence[list[float] | None]) -> None:
        """As `Sampler.tell`. A point without a score stays out of the archive, and ranks last."""
        good = [i for i, score in enumerate(scores) if score is not None and measures[i] is not None]
        if not good:
            return  # nothing to learn: the next batch is drawn anew
        told = self._asked[: len(scores)]
        objective = np.full(len(scores), min(float(scores[i] or 0) for i in good) - 1)
        place = np.tile(np.array(self._archive.lower_bounds), (len(scores), 1))
        status, value = np.zeros(len(scores), np.int32), objective.copy()
        for i in good:
            objective[i], place[i] = float(scores[i] or 0), measures[i]
        added = self._archive.add(told[good], objective[good], place[good])
        status[good], value[good] = added["status"], added["value"]
        value[status == 0] = np.minimum(value[status == 0], 0)
        if len(scores) == len(self._asked):
            self._emitter.tell(told, objective, place, {"status": status, "value": value})


def _emitter(archive: Any, side: int, settings: SearchConfig) -> Any:
    common: dict[str, Any] = {
        "bounds": [(0.0, 1.0)] * side,
        "batch_size": settings.batch,
        "seed": settings.seed,
    }
    if settings.method == "map-elites":
        first = np.random.default_rng(settings.seed).uniform(size=(settings.batch, side))
        return GaussianEmitter(archive, sigma=_MUTATION, initial_solutions=first, **common)
    return EvolutionStrategyEmitter(archive, x0=[0.5] * side, sigma0=_FIRST_SPREAD, ranker="2imp", **common)
