"""A transposed 2x2 convolution merged with the 3x3 convolution after it equals both in float64; lazy upsampling."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aetheria.laws.layers import ChannelNorm, Conv
from aetheria.stepping.cpu.conv1x1 import PointwiseConv, PointwiseKernel
from aetheria.stepping.cpu.conv3x3 import Conv3x3, Conv3x3Kernel
from aetheria.stepping.cpu.upsample2x import LazyUpsampled, composed


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def exact(double: nn.ConvTranspose2d, conv: Conv, low: Tensor, skip: Tensor) -> Tensor:
    """Both as they are written, in float64."""
    return copy.deepcopy(conv).double()(copy.deepcopy(double).double()(low.double()), skip.double())


def apart(given: Tensor, expected: Tensor) -> float:
    assert given.shape == expected.shape
    return float((given - expected).abs().max() / expected.abs().max())


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 70),
    middle=st.integers(1, 70),
    others=st.integers(1, 20),
    outputs=st.integers(1, 70),
    height=st.integers(1, 11),
    width=st.integers(1, 30),
    boundary=st.sampled_from(["periodic", "zero", "reflect"]),
    bias=st.booleans(),
    precision=st.sampled_from(["fp32", "bf16"]),
)
def test_a_merged_convolution_equals_both_in_float64(
    batch: int,
    channels: int,
    middle: int,
    others: int,
    outputs: int,
    height: int,
    width: int,
    boundary: Any,
    bias: bool,
    precision: Any,
) -> None:
    double = nn.ConvTranspose2d(channels, middle, 2, 2, bias=bias)
    conv = Conv(middle + others, outputs, 3, boundary, bias=bias)
    low, skip = torch.randn(batch, channels, height, width), torch.randn(batch, others, 2 * height, 2 * width)
    with torch.inference_mode():
        given = Conv3x3Kernel(Conv3x3(conv, boundary, None, "elu"), precision)(
            PointwiseKernel(PointwiseConv(double, 2), precision)(low), skip
        )
        assert apart(given, F.elu(exact(double, conv, low, skip))) < (1e-5 if precision == "fp32" else 2e-2)


def test_composed_weights_are_a_filter_of_the_source_for_each_place() -> None:
    first, second, low = torch.randn(3, 2, 2, 2), torch.randn(4, 2, 3, 3), torch.randn(1, 3, 5, 6)
    high = F.conv2d(F.pad(F.conv_transpose2d(low, first, stride=2), (1, 1, 1, 1), mode="circular"), second)
    for place, weight in enumerate(composed(first, second)):
        assert not weight[:, :, 0].any()
        assert not weight[..., 0].any()
        here = F.conv2d(F.pad(low, (1, 1, 1, 1), mode="circular"), weight)
        down, across = divmod(place, 2)
        torch.testing.assert_close(here, high.roll((-1 - down, -1 - across), (2, 3))[..., ::2, ::2])


def test_other_operations_compute_the_upsampled_values() -> None:
    double, low = nn.ConvTranspose2d(16, 20, 2, 2), torch.randn(2, 16, 3, 4)
    with torch.inference_mode():
        given, expected = PointwiseKernel(PointwiseConv(double, 2))(low), double(low)
        assert isinstance(given, LazyUpsampled)
        assert repr(given).startswith("LazyUpsampled([[[[")
        for use in (
            lambda x: x + 1,
            lambda x: torch.cat((x, x), 1),
            lambda x: x.view(2, 20, -1),
            lambda x: F.max_pool2d(x, 2),
            lambda x: x.to(memory_format=torch.channels_last),
            lambda x: x.clone().mul_(2),
            lambda x: x[:, 3, ::2].mean(),
        ):
            torch.testing.assert_close(use(given), use(expected))


def test_weights_edited_in_either_convolution_count_from_the_next_call() -> None:
    double, conv = nn.ConvTranspose2d(32, 16, 2, 2), Conv(32, 16, 3, "periodic")
    low, skip = torch.randn(1, 32, 4, 4), torch.randn(1, 16, 8, 8)
    mixer, own = PointwiseKernel(PointwiseConv(double, 2)), Conv3x3Kernel(Conv3x3(conv, "periodic", ChannelNorm(16)))
    with torch.inference_mode():
        for parameter in (double.weight, double.bias, conv.weight, conv.bias):
            assert parameter is not None
            parameter.data += 0.1 * torch.randn_like(parameter)
            mixer.refresh()
            own.refresh()
            expected = ChannelNorm(16).double()(exact(double, conv, low, skip))
            assert apart(own(mixer(low), skip), expected) < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_threads_change_no_bit(precision: Any) -> None:
    mixer, own = (
        PointwiseKernel(PointwiseConv(nn.ConvTranspose2d(48, 40, 2, 2), 2), precision),
        Conv3x3Kernel(Conv3x3(Conv(60, 40, 3, "periodic"), "periodic"), precision),
    )
    low, skip, before = torch.randn(1, 48, 23, 17), torch.randn(1, 20, 46, 34), torch.get_num_threads()
    given = []
    with torch.inference_mode():
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            given.append(own(mixer(low), skip))
    torch.set_num_threads(before)
    assert torch.equal(given[0], given[1])
    assert torch.equal(given[0], given[2])
