"""Padding and sums over neighbourhoods in one, two and three dimensions, against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.laws.checks import BOUNDARIES, RANKS, Boundary
from aetheria.laws.layers import moore_sum, pad

GRID = (4, 5, 3)
MODES: dict[str, Any] = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}


def random_cells(rank: int) -> Tensor:
    return torch.rand(2, 3, *GRID[:rank], dtype=torch.float64, generator=torch.Generator().manual_seed(rank))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("rank", RANKS)
def test_a_halo_is_the_one_that_numpy_pads(rank: int, boundary: Boundary, compiled: bool) -> None:
    # Traced as for a compiler, and run by torch: the periodic halo is an index there.
    torch._dynamo.reset()
    padded = torch.compile(pad, backend="eager", fullgraph=True) if compiled else pad
    cells = random_cells(rank)
    for radius in (0, 1, 2):
        expected = np.pad(cells.numpy(), ((0, 0), (0, 0), *((radius, radius),) * rank), mode=MODES[boundary])
        np.testing.assert_array_equal(padded(cells, radius, boundary), expected)


@pytest.mark.parametrize("rank", RANKS)
def test_a_torus_may_be_narrower_than_the_radius(rank: int) -> None:
    cells = random_cells(rank)
    expected = np.pad(cells.numpy(), ((0, 0), (0, 0), *((7, 7),) * rank), mode="wrap")
    np.testing.assert_array_equal(pad(cells, 7, "periodic"), expected)


def test_a_periodic_halo_keeps_channels_last() -> None:
    cells = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert pad(cells, 1, "periodic").is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rank", RANKS)
def test_the_moore_sum_is_the_sum_of_all_shifts(rank: int) -> None:
    cells = random_cells(rank)
    expected = np.zeros(cells.shape)
    for shift in np.ndindex((3,) * rank):
        expected += np.roll(cells.numpy(), [by - 1 for by in shift], tuple(range(2, 2 + rank)))
    np.testing.assert_allclose(moore_sum(pad(cells, 1, "periodic")), expected, rtol=1e-12)
