"""How fields become pictures: made smaller, and made bytes."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.observe.downsample import downsample, finite, interleaved, quantise
from aetheria.observe.fields import FIELDS
from tests.generated import arrays, given, settings, st

# -- smaller -----------------------------------------------------------------------------------------------------


def test_downsampling_by_a_whole_number_averages_over_blocks() -> None:
    values = np.random.default_rng(3).normal(size=(2, 3, 12, 20))
    blocks = values.reshape(2, 3, 4, 3, 5, 4).mean((3, 5))
    np.testing.assert_allclose(downsample(torch.from_numpy(values), (4, 5)), blocks, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(downsample(torch.from_numpy(values[:, 0]), (4, 5)), blocks[:, 0], rtol=1e-12, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(
    block=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 2**32 - 1),
)
def test_downsampling_by_a_whole_number_preserves_the_mean(block: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, block[0] * size[0], block[1] * size[1]))
    small = downsample(torch.from_numpy(values), size)
    assert small.shape == (2, *size)
    np.testing.assert_allclose(small.mean((1, 2)), values.mean((1, 2)), rtol=0, atol=1e-12)


def test_downsampling_never_enlarges_and_shrinks_each_axis_for_itself() -> None:
    values = torch.rand(1, 6, 8)
    assert downsample(values, None) is values
    assert torch.equal(downsample(values, (6, 8)), values)
    assert torch.equal(downsample(values, (100, 100)), values)
    assert torch.equal(downsample(values, (100, 4)), (values[..., ::2] + values[..., 1::2]) / 2)


def test_downsampling_by_no_whole_number_stays_between_the_extremes() -> None:
    values = torch.rand(2, 10, 13)
    small = downsample(values, (7, 6))
    assert small.shape == (2, 7, 6)
    assert float(small.min()) >= float(values.min())
    assert float(small.max()) <= float(values.max())
    assert torch.allclose(downsample(torch.full((1, 10, 13), 0.7), (7, 6)), torch.tensor(0.7))


def test_angles_are_averaged_on_the_circle() -> None:
    # 170 and -170 degrees lie 20 degrees apart, about 180; their plain mean would be 0.
    angles = torch.deg2rad(torch.tensor([[[170.0, -170.0, 10.0, 30.0]]], dtype=torch.float64))
    small = downsample(angles, (1, 2), cyclic=True)
    np.testing.assert_allclose(small[0, 0].abs().rad2deg(), [180, 20], atol=1e-9)
    np.testing.assert_allclose(downsample(angles, (1, 2)).rad2deg()[0, 0], [0, 20], atol=1e-9)
    assert FIELDS["phase"].cyclic
    random = np.random.default_rng(5).uniform(-np.pi, np.pi, (2, 6, 6))
    mean = np.angle(np.exp(1j * random).reshape(2, 3, 2, 3, 2).mean((2, 4)))
    np.testing.assert_allclose(downsample(torch.from_numpy(random), (3, 3), cyclic=True), mean, rtol=1e-10)


# -- quantised ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    values=arrays(np.float32, (5,), elements=st.floats(-1000, 1000, width=32)),
    levels=st.tuples(st.floats(-100, 100), st.floats(0.5, 100)).map(lambda pair: (pair[0], pair[0] + pair[1])),
)
def test_a_pixel_is_within_half_a_level_of_its_value_or_clipped(
    values: NDArray[np.float32], levels: tuple[float, float]
) -> None:
    low, high = levels
    pixels: Tensor = quantise(torch.from_numpy(values).double(), levels)
    assert pixels.dtype == torch.uint8
    shown = low + pixels.double().numpy() * (high - low) / 255
    assert np.abs(shown - np.clip(values, low, high)).max() <= (high - low) / 255 * (0.5 + 1e-6)


def test_the_levels_become_0_and_255() -> None:
    values = torch.tensor([-math.pi, 0.0, math.pi, -9.0, 9.0])
    assert quantise(values, (-math.pi, math.pi)).tolist() == [0, 128, 255, 0, 255]


@pytest.mark.parametrize("size", [(4, 7), (9, 10), (1, 3), (10, 4)])
def test_areas_that_cut_through_cells_share_them(size: tuple[int, int]) -> None:
    values = torch.rand(2, 10, 12, generator=torch.Generator().manual_seed(3))
    # Each cell split into as many equal parts as areas, so that none is cut, and then averaged.
    fine = values.numpy().astype(np.float64).repeat(size[0], 1).repeat(size[1], 2)
    expected = fine.reshape(2, size[0], 10, size[1], 12).mean((2, 4))
    small = downsample(values, size)
    np.testing.assert_allclose(small, expected, rtol=1e-6)
    assert float(small.mean()) == pytest.approx(float(values.mean()), rel=1e-6)
    assert small.is_contiguous(), "as a window draws it"


def test_areas_in_more_than_one_strip_are_those_of_the_whole() -> None:
    values = torch.rand(1, 3, 150, 90, generator=torch.Generator().manual_seed(4))
    small = downsample(values, (47, 61))
    edges = [np.arange(n + 1) * cells / n for n, cells in ((47, 150), (61, 90))]
    total = np.pad(values[0].double().numpy().cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))  # the integral up to each corner
    rows = np.stack([np.interp(edges[0], np.arange(151), column) for column in total.transpose(0, 2, 1).reshape(-1, 151)])
    corners = rows.reshape(3, 91, 48).transpose(0, 2, 1)
    corners = np.stack([np.interp(edges[1], np.arange(91), row) for row in corners.reshape(-1, 91)]).reshape(3, 48, 62)
    expected = np.diff(np.diff(corners, axis=1), axis=2) * 47 * 61 / (150 * 90)
    np.testing.assert_allclose(small[0], expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pixels_are_those_of_numpy_in_every_bit(dtype: torch.dtype) -> None:
    values = torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(5), dtype=dtype)
    for low, high in ((0.0, 1.0), (-2.0, 1.5)):
        scale = values.numpy().dtype.type(255 / (high - low))
        expected = np.clip(np.rint((values.numpy() - values.numpy().dtype.type(low)) * scale), 0, 255).astype(np.uint8)
        assert (quantise(values, (low, high)).numpy() == expected).all()


def test_values_that_are_quantised_are_left_alone() -> None:
    values = torch.rand(1, 4, 4)
    before = values.clone()
    for levels in ((0.0, 1.0), (0.25, 0.5)):
        quantise(values, levels)
        assert torch.equal(values, before)


def test_nan_and_inf_are_found_and_large_values_are_not_taken_for_them() -> None:
    values = torch.rand(1, 6, 7)
    assert finite(values)
    assert finite(torch.full((4, 4), 3e38)), "their float32 sum is Inf, they are not"
    for bad in (math.nan, math.inf, -math.inf):
        values[0, 3, 2] = bad
        assert not finite(values)
    values[0, 0, 0], values[0, 3, 2] = math.inf, -math.inf
    assert not finite(values)


def test_colours_are_interleaved_and_other_pixels_stay() -> None:
    planes = np.random.default_rng(1).integers(0, 256, (3, 5, 7), np.uint8)
    colours = interleaved(planes)
    assert (colours == np.stack(list(planes), -1)).all()
    assert colours.flags.c_contiguous, "as a window draws it"
    assert (interleaved(planes[0]) == planes[0]).all()


@pytest.mark.parametrize("size", [(2, 2), (3, 5)])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_mean_of_numbers_near_the_end_of_float32_is_finite(size: tuple[int, int], device: str) -> None:
    values = torch.full((1, 12, 20), 1e38, device=device)
    values[:, :6] = -3e38
    means = downsample(values, size)
    assert finite(means)
    assert torch.allclose(means[:, 0], torch.tensor(-3e38, device=device))
    values[0, 0, 0] = torch.inf
    assert not finite(downsample(values, size))


@pytest.mark.gpu
def test_a_gpu_averages_ordinary_numbers_as_torch_does() -> None:
    values = torch.randn(2, 64, 48, device="cuda") * torch.logspace(-20, 20, 48, device="cuda")
    assert torch.equal(downsample(values, (16, 12)), torch.nn.functional.avg_pool2d(values, (4, 4)))
