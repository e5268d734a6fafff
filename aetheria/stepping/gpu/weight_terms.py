"""Weights of a neighbourhood as a sum of few products of a column and a row, in whole numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class WeightTerms:
    """The weights are the sum over the terms of `down[p][y] * across[p][x]`, but for the middle one, which needs `middle` more.

    Attributes:
        down, across: `(terms, 2 reach + 1)`, int64.
    """

    down: Weights
    across: Weights
    middle: int


def terms_of(weights: Weights) -> WeightTerms:
    """The terms: a row of each kind, where rows that are multiples of each other are of one kind.

    A square is one term, a disc of radius 7 five. The middle cell, which counts in few rules, is taken as the one beside it, or
    as none, if that makes fewer terms.
    """
    reach = len(weights) // 2
    own, beside = int(weights[reach, reach]), int(weights[reach, reach - 1])
    return min((_with_middle(weights, taken, own - taken) for taken in (own, beside, 0)), key=lambda terms: len(terms.down))


def _with_middle(weights: Weights, taken: int, more: int) -> WeightTerms:
    """The terms of the weights with the middle one taken as this, which needs `more`."""
    weights = weights.copy()
    weights[len(weights) // 2, len(weights) // 2] = taken
    down: dict[tuple[int, ...], Weights] = {}
    for y, row in enumerate(weights):
        if row.any():
            # The sign is that of the first weight, so that a row and its opposite are of one kind.
            factor = int(np.gcd.reduce(row)) * int(np.sign(row[np.flatnonzero(row)[0]]))
            down.setdefault(tuple((row // factor).tolist()), np.zeros(len(weights), np.int64))[y] = factor
    columns = np.array([*down.values()], np.int64).reshape(-1, len(weights))
    return WeightTerms(columns, np.array([*down], np.int64).reshape(-1, len(weights)), more)
