"""Streaming statistics of pictures: the whole is never in memory."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Statistics:
    """Of each channel `(C,)`, in float64: lowest, highest, mean and standard deviation."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def statistics_of(pictures: Iterable[NDArray[np.float32]]) -> Statistics:
    """The statistics of one or more pictures `(C, h, w)`, of any sizes, read once.

    Source of the update: T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", COMPSTAT 1982.
    """
    count, low, high, mean, squares = 0, np.inf, -np.inf, np.zeros(1), np.zeros(1)
    for picture in pictures:
        values = picture.reshape(len(picture), -1).astype(np.float64)
        size, own = values.shape[1], values.mean(1)
        apart, total = own - mean, count + size
        squares = squares + ((values - own[:, None]) ** 2).sum(1) + apart**2 * count * size / total
        mean, count = mean + apart * size / total, total
        low, high = np.minimum(low, values.min(1)), np.maximum(high, values.max(1))
    return Statistics(np.asarray(low), np.asarray(high), mean, np.sqrt(squares / max(1, count)))
