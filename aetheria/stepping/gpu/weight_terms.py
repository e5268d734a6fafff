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

    A square is one term, a disc of radius 7 five. The middle cell, which counts less than those beside it in most rules, is
    taken as one of them if that makes fewer terms.
    """
    reach = len(weights) // 2
    filled = weights.copy()
    filled[reach, reach] = weights[reach, reach - 1]
    return min((_rows_of(weights, 0), _rows_of(filled, int(weights[reach, reach] - filled[reach, reach]))), key=_term_count)


def _term_count(terms: WeightTerms) -> int:
    return len(terms.down)


def _rows_of(weights: Weights, middle: int) -> WeightTerms:
    down: dict[tuple[int, ...], Weights] = {}
    for y, row in enumerate(weights):
        if row.any():
            # The sign is that of the first weight, so that a row and its opposite are of one kind.
            factor = int(np.gcd.reduce(row)) * int(np.sign(row[np.flatnonzero(row)[0]]))
            down.setdefault(tuple((row // factor).tolist()), np.zeros(len(weights), np.int64))[y] = factor
    columns = np.array([*down.values()], np.int64).reshape(-1, len(weights))
    return WeightTerms(columns, np.array([*down], np.int64).reshape(-1, len(weights)), middle)
