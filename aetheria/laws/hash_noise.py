"""Random numbers without state: a hash of (seed, step, universe, z, y, x), with as many coordinates as the grid has axes.

The same numbers come out eager or compiled, in any batch or chunking, on any device, and after a restart. All arithmetic
is on int64 that never overflows (factors below 2^31 in size against 32-bit words), so that no compiler may change it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from aetheria.laws.controls import Control

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9 - (1 << 32)  # 2^32 / golden ratio, as a signed word


def mix(word: Tensor) -> Tensor:
    """Scrambles 32-bit words held in int64, one to one. Source: C. Wellons, "lowbias32", Hash Prospector, 2018."""
    word = word ^ (word >> 16)
    word = (word * 0x7FEB352D) & _WORD
    word = word ^ (word >> 15)
    word = (word * (0x846CA68B - (1 << 32))) & _WORD
    return word ^ (word >> 16)


class Place(NamedTuple):
    """The position of a window in a larger grid.

    Attributes:
        offset: coordinates of the window's first cell; negative where the window reaches around a torus.
        grid: sides of the larger grid.
    """

    offset: tuple[int, ...]
    grid: tuple[int, ...]


def noise_memory(cells: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The memory of a law that draws hash noise, before its first step: `seed` and `step` as `hash_words` takes them.

    Args:
        cells: `(B, C, *grid)`.
        seed: of the run; universe u draws from (seed, u).
    """
    universe = torch.arange(len(cells), device=cells.device)
    return torch.stack((torch.full_like(universe, seed), universe), 1), torch.zeros_like(universe)


def hash_words(seed: Tensor, step: Tensor, grid: Sequence[int], place: Place | None = None) -> Tensor:
    """Uniform 32-bit words `(B, *grid)` in int64.

    Args:
        seed: `(B, 2)` int64: seed and number of each universe.
        step: `(B,)` int64.
        grid: sides of the grid.
        place: of this grid in a larger one, whose coordinates are hashed; None for a grid of its own.
    """
    key = torch.zeros_like(step)
    for part in (seed[:, 0], seed[:, 0] >> 32, seed[:, 1], step, step >> 32):
        key = mix(((key * _GOLDEN) ^ part) & _WORD)
    for axis, side in enumerate(grid):
        coordinate = torch.arange(side, device=seed.device)
        if place is not None:
            coordinate = (coordinate + place.offset[axis]) % place.grid[axis]
        key = mix((key[..., None] + coordinate * _GOLDEN) & _WORD)
    return key


def fire_mask(seed: Tensor, step: Tensor, grid: Sequence[int], rate: float, place: Place | None = None) -> Tensor:
    """`(B, *grid)` bool, each true with chance `rate`, drawn anew for each step and universe."""
    return hash_words(seed, step, grid, place) < threshold(rate)


def threshold(rate: float) -> int:
    """The words below this are `rate` of all 32-bit words."""
    return round(rate * (1 << 32))


def thresholds(rates: Tensor) -> Tensor:
    """`threshold` of each number of a tensor, int64."""
    return (rates.double() * (1 << 32)).round().long()


def chance_control(name: str, meaning: str) -> Control:
    """The control of a chance from 0 to 1; `live` gives the hash words below which it happens."""
    return Control(
        name,
        meaning,
        0.0,
        1.0,
        lambda value: 0 <= value <= 1,
        f"0 <= {name} <= 1",
        lambda value: torch.tensor(threshold(value)),
    )
