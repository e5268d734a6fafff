"""Laws on grids of one, two and three axes against cells that other programs computed."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.laws import GrowingNCA, Lenia
from aetheria.laws.continuous.lenia import ring_weights
from aetheria.laws.neural.nca import ALPHA
from tests.oracles import Oracle, oracle
from tests.small_laws import stepper


def growing_nca(of: Oracle, order: list[int]) -> GrowingNCA:
    """The law with the weights of a case of neural.npz, in float64; its channel i is channel `order[i]` of the file."""
    w1, b1, w2, b2 = (of.arrays[name] for name in ("w1", "b1", "w2", "b2"))
    rank, channels = of.arrays["input"].ndim - 1, len(order)
    law = GrowingNCA(channels, len(b1), rank=rank, fire_rate=1.0, boundary="zero").double()
    # There the inputs come channel by channel (value, gradients along z, y, x); here by blocks (values, along x, y, z).
    blocks = [0, *range(rank, 0, -1)]
    inputs = [channel * (1 + rank) + block for block in blocks for channel in order]
    matrices = {"hidden.weight": w1[inputs].T, "hidden.bias": b1, "update.weight": w2[:, order].T, "update.bias": b2[order]}
    shapes = {key: tensor.shape for key, tensor in law.state_dict().items()}
    law.load_state_dict({key: torch.from_numpy(matrix).reshape(shapes[key]) for key, matrix in matrices.items()})
    return law


def channels_first(cells: NDArray[Any], order: list[int]) -> Tensor:
    return torch.from_numpy(np.moveaxis(cells, -1, 0)[order])[None]


def close(given: Tensor, expected: Tensor, tolerance: float = 1e-6) -> None:
    """Within a share of the largest value: the file holds float32."""
    torch.testing.assert_close(given, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize("case", ["growing_2d", "growing_3d"])
def test_growing_nca_steps_as_cax_does(case: str) -> None:
    of = oracle("neural", case)
    channels = of.arrays["input"].shape[-1]
    order = list(range(channels))
    # There the last channel is alpha.
    order[ALPHA], order[-1] = order[-1], order[ALPHA]
    law = growing_nca(of, order)
    start = channels_first(of.arrays["input"], order)
    for (cells, *_), expected in of.followed((start, *law.initial_memory(start)), stepper(law)):
        wanted = channels_first(expected, order)
        close(cells, wanted)
        dead = (wanted == 0).all(1)
        assert 0 < int(dead.sum()) < dead.numel(), "the alive mask decides nothing"


def test_the_change_of_growing_nca_in_one_dimension_is_that_of_the_arc_automaton() -> None:
    """That one has no alive mask, so that its cells are the sum of the changes."""
    of = oracle("neural", "arc_1d")
    order = list(range(of.arrays["input"].shape[-1]))
    law = growing_nca(of, order)
    with torch.no_grad():
        start = channels_first(of.arrays["input"], order)
        for cells, expected in of.followed(start, lambda cells: cells + law.change(cells)):
            close(cells, channels_first(expected, order))


def test_a_lenia_of_one_kernel_and_the_gaussian_core_is_that_of_the_expanded_universe() -> None:
    of = oracle("lenia_expanded", "Orbium")
    given = of.parameters
    (m,), (s,), (b,) = given["m"], given["s"], given["b"]
    law = Lenia(R=given["R"], T=given["T"], m=m, s=s, b=b, core="gaussian", growth="exponential").double()
    for cells, expected in of.followed(torch.from_numpy(of.arrays["input"])[None], law):
        close(cells[0], torch.from_numpy(expected))


class RelativeRadius(Lenia):
    """A Lenia whose kernel has a radius of any size: there each kernel has a share r of R."""

    def __init__(self, radius: float, heights: list[float]) -> None:
        super().__init__(R=int(np.ceil(radius)), b=heights, core="gaussian")
        self.inner = radius

    def kernel(self, rank: int = 2) -> Tensor:
        weights = ring_weights(self.inner, self.b, "gaussian", rank)
        return weights / weights.sum()


@pytest.mark.parametrize("case", ["random_1d", "random_3d"])
def test_the_kernels_of_lenia_in_one_and_three_dimensions_are_those_of_the_expanded_universe(case: str) -> None:
    """Two kernels on one channel, which one law here does not have: the law gives each potential, the test sums the growths."""
    of = oracle("lenia_expanded", case)
    given = of.parameters
    laws = [RelativeRadius(r * given["R"], b).double() for r, b in zip(given["r"], given["b"], strict=True)]

    def step(cells: Tensor) -> Tensor:
        growth = torch.zeros_like(cells)
        for law, m, s, h in zip(laws, given["m"], given["s"], given["h"], strict=True):
            growth += h * (2 * torch.exp(-((law.potential(cells) - m) ** 2) / (2 * s**2)) - 1)
        return (cells + growth / given["T"]).clamp(0, 1)

    for cells, expected in of.followed(torch.from_numpy(of.arrays["input"])[None], step):
        close(cells[0], torch.from_numpy(expected))
        assert int(((cells > 0.01) & (cells < 0.99)).sum()) > 5, "most cells are clipped, which would hide an error"
