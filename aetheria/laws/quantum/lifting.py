"""Rotations of pairs of numbers that can be undone to the last bit: three shears of numbers on a fixed grid.

A rotation by an angle is three shears, x += a y, y += b x, x += a y, a = -tan(angle / 2), b = sin(angle). Where x and y are
multiples of a power of two, and each product is rounded to such a multiple, every sum is exact, and the shears with the other
sign give x and y back. The norm changes by rounding only, up and down alike. Source: I. Daubechies, W. Sweldens, "Factoring
wavelet transforms into lifting steps", J. Fourier Anal. Appl. 4 (1998) 247.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Pairs = tuple[tuple[int, ...], tuple[int, ...]]  # first and second components, disjoint
# Multiples of these below 8 are exact in the 24 and 53 digits of the type.
_STEPS = {torch.float32: 2.0**-21, torch.float64: 2.0**-50}


def on_grid(values: Tensor) -> Tensor:
    """Values rounded to multiples of the fixed step of their type."""
    step = _STEPS.get(values.dtype, _STEPS[torch.float32])
    return (values / step).round() * step


def rotate(channels: list[Tensor], firsts: Sequence[int], seconds: Sequence[int], half: Tensor, *, rounded: bool) -> None:
    """Turns the pairs (first, second) of channels `(B, *grid)` in place in their list.

    Args:
        half: tangent of half the angle, `(B, pairs, *grid)`; the other sign undoes the rotation, if `rounded`, to the last bit.
        rounded: keep to the fixed grid; without it gradients flow.
    """

    def sheared(product: Tensor) -> Tensor:
        return on_grid(product) if rounded else product

    x, y = (torch.stack([channels[k] for k in some], 1) for some in (firsts, seconds))
    sine = 2 * half / (1 + half.square())
    x = x - sheared(half * y)
    y = y + sheared(sine * x)
    x = x - sheared(half * y)
    for number, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        channels[first], channels[second] = x[:, number], y[:, number]


def rounds_of_pairs(members: int) -> list[Pairs]:
    """All pairs of members, in rounds of disjoint ones (the circle method of tournaments)."""
    circle = list(range(members + members % 2))
    half, found = len(circle) // 2, []
    for _ in range(len(circle) - 1):
        pairs = [(min(a, b), max(a, b)) for a, b in zip(circle[:half], circle[: half - 1 : -1], strict=True)]
        pairs = [(a, b) for a, b in pairs if b < members]
        found.append((tuple(a for a, _ in pairs), tuple(b for _, b in pairs)))
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return found
