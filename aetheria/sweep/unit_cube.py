"""The parameters of a search as points of a cube of side 1, which samplers of continuous numbers know."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.sweep.ranges import Distribution


class UnitCube:
    """The parameters of a search as points of a cube of side 1."""

    def __init__(self, distributions: dict[str, Distribution]) -> None:
        self._distributions = distributions
        self.side = len(distributions)

    def parameters(self, place: NDArray[np.floating[Any]]) -> dict[str, Any]:
        """The parameters at a place."""
        return {
            key: _value(distribution, float(np.clip(share, 0, 1)))
            for (key, distribution), share in zip(self._distributions.items(), place, strict=True)
        }


def _value(distribution: Distribution, share: float) -> Any:
    given = distribution.given
    if distribution.kind == "choice":
        return given[min(int(share * len(given)), len(given) - 1)]
    low, high = given
    match distribution.kind:
        case "integer":
            return low + min(int(share * (high - low + 1)), high - low)
        case "log_uniform":
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        case _:
            return low + share * (high - low)
