"""Order in one state: symmetry, entropy, compressibility and the slope of its spectrum."""

import itertools
import math
import zlib

import torch
from torch import Tensor

from aetheria.core.sums import PlainSums, Sums

_MOST = 255  # of the levels, from 0
_LEVEL = 6  # of zlib


def symmetry(weight: Tensor) -> Tensor:
    """Similarity of a weight and its mirror image, `(B,)`: 1 for a symmetric one, about 0 for noise.

    The greatest correlation coefficient, over all shifts s on the torus and all reflections R of one axis or more,

        sum over x of (w(x) - m) (w(R x + s) - m) / sum over x of (w(x) - m)^2,    m the mean of w,

    so that a pattern may lie anywhere. With two axes reflected that is a rotation by 180 degrees. An even weight counts as 1.
    Correlations over all shifts are one product of Fourier transforms (the convolution theorem).

    Args:
        weight: `(B, *grid)`.
    """
    values = weight.double()
    axes = tuple(range(1, values.ndim))
    values = values - values.mean(axes, keepdim=True)
    power = values.square().sum(axes)
    waves = torch.fft.fftn(values, dim=axes)
    best = torch.full_like(power, -1.0)
    for count in range(1, len(axes) + 1):
        for mirrored in itertools.combinations(axes, count):
            image = torch.fft.fftn(values.flip(mirrored), dim=axes)
            match = torch.fft.ifftn(waves * image.conj(), dim=axes).real.amax(axes)
            best = torch.maximum(best, match / power)
    return torch.where(power > 1e-12 * weight.double().square().sum(axes), best, 1.0)


def shannon_entropy(weight: Tensor, sums: Sums | None = None) -> Tensor:
    """The entropy of the distribution of cell values, `(B,)`, in bits a cell: -sum over v of p(v) log2 p(v).

    Values are counted in 256 equal bins between the least and the greatest of the universe; those of whole states fall into a
    bin each.

    Source: C. E. Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal 27, 1948.

    Args:
        weight: `(B, *grid)`.
        sums: counts over the grid; None for a weight that is whole.
    """
    sums = sums or PlainSums()
    counts = sums.counts(_levels(weight, sums), _MOST).double()
    share = counts / counts.sum(1, keepdim=True)
    return (0.0 - torch.xlogy(share, share).sum(1)) / math.log(2)  # not -0.0 for an even grid


def compressibility(weight: Tensor) -> Tensor:
    """1 - (bytes after compression by deflate) / (bytes before), `(B,)`: near 1 for an even grid, near 0 for noise.

    An upper bound of the algorithmic complexity, one byte a cell, with values in 256 levels as for the entropy.

    Source: H. Zenil, "Compression-Based Investigation of the Dynamical Properties of Cellular Automata and Other Systems",
    Complex Systems 19(1), 2010.

    Args:
        weight: `(B, *grid)`.
    """
    found = []
    for levels in _levels(weight, PlainSums()):
        raw = levels.cpu().numpy().tobytes()
        found.append(1 - len(zlib.compress(raw, _LEVEL)) / len(raw))
    return torch.tensor(found, dtype=torch.float64)


def spectral_slope(weight: Tensor) -> Tensor:
    """The exponent b of the power spectrum P(k) ~ k^b, `(B,)`: 0 for white noise, -2 for a random walk; NaN where it is empty.

    P(k) is the mean of |FFT(w - mean)|^2 over the waves whose number, rounded, is k; b is the slope of the least-squares line
    of ln P over ln k, for k from 1 to half of the shortest side.

    Source: D. J. Field, "Relations between the statistics of natural images and the response properties of cortical cells",
    Journal of the Optical Society of America A 4(12), 1987.

    Args:
        weight: `(B, *grid)`.
    """
    values = weight.double()
    axes = tuple(range(1, values.ndim))
    grid = values.shape[1:]
    power = torch.fft.fftn(values - values.mean(axes, keepdim=True), dim=axes).abs().square().flatten(1)
    shortest = min(grid)
    # In waves along the shortest side, so that k means the same length along every axis.
    waves = [torch.fft.fftfreq(side, dtype=torch.float64, device=values.device) * shortest for side in grid]
    squares = [wave.square() for wave in waves]
    distance = squares[0]
    for square in squares[1:]:
        distance = distance[..., None] + square
    ring = distance.sqrt().round().long().flatten()
    most = shortest // 2
    inside = (ring >= 1) & (ring <= most)
    if most < 2:
        return torch.full((len(values),), math.nan, dtype=torch.float64)
    sums = torch.zeros(len(values), most + 1, dtype=torch.float64, device=values.device)
    sums.index_add_(1, ring[inside], power[:, inside])
    mean = sums[:, 1:] / torch.bincount(ring[inside], minlength=most + 1)[1:]
    x = torch.arange(1, most + 1, dtype=torch.float64, device=values.device).log()
    x = x - x.mean()
    empty = mean <= 1e-24 * values.square().sum(axes)[:, None]
    slope = (torch.where(empty, 1.0, mean).log() * x).sum(1) / x.square().sum()
    return torch.where(empty.any(1), math.nan, slope)


def _levels(weight: Tensor, sums: Sums) -> Tensor:
    """Values as bytes: 0 for the least of a universe, 255 for the greatest."""
    values = weight.double().nan_to_num(0.0, 0.0, 0.0)
    low, high = (end.view(-1, *[1] * (weight.ndim - 1)) for end in sums.extremes(values))
    span = torch.where(high > low, high - low, 1.0)
    return ((values - low) / span * _MOST).round().to(torch.uint8)
