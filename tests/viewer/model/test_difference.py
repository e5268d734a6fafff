"""Differences of frames against those of their values."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from viewer.model.difference import difference
from viewer.model.frame import RenderedFrame
from viewer.model.region import Region


def frame(pixels: list[list[int]], levels: tuple[float, float] = (0.0, 2.55)) -> RenderedFrame:
    array = np.array(pixels, np.uint8)
    return RenderedFrame(7, "u", 0, Region(0, 0, *array.shape), array, levels)


def test_the_difference_is_in_the_unit_of_the_field_and_zero_is_the_middle_colour() -> None:
    found = difference(frame([[100, 50, 20]]), frame([[0, 50, 70]]))
    assert found is not None
    assert (found.largest, found.mean) == (pytest.approx(1.0), pytest.approx(0.5))
    assert found.frame.levels == pytest.approx((-1.0, 1.0))
    assert found.frame.pixels.tolist() == [[255, 128, 64]]


def test_equal_frames_have_no_difference() -> None:
    found = difference(frame([[3, 4]]), frame([[3, 4]]))
    assert found is not None
    assert (found.largest, found.mean) == (0, 0)
    assert set(found.frame.pixels.ravel()) == {128}


def test_logarithmic_frames_are_compared_by_their_values() -> None:
    one, other = (replace(frame([[pixel]], (1.0, 100.0)), log=True) for pixel in (255, 0))
    found = difference(one, other)
    assert found is not None
    assert found.largest == pytest.approx(99)


def test_colours_are_compared_by_their_mean() -> None:
    one = replace(frame([[0]]), pixels=np.array([[[30, 60, 90]]], np.uint8))
    found = difference(one, frame([[50]]))
    assert found is not None
    assert found.largest == pytest.approx(0.1)


def test_a_coarser_frame_is_compared_where_its_pixels_are() -> None:
    found = difference(frame([[10, 10, 20, 20], [10, 10, 20, 20]]), frame([[10, 10]]))
    assert found is not None
    assert found.frame.pixels.tolist() == [[128, 255]]


def test_frames_of_other_levels_or_places_are_not_compared() -> None:
    one = frame([[1, 2]])
    assert difference(one, frame([[1, 2]], (0.0, 1.0))) is None
    assert difference(one, replace(one, region=Region(0, 1, 1, 2))) is None
    assert difference(one, replace(one, log=True)) is None


def test_of_mixes_the_brightness_is_compared_and_only_of_equal_fields_and_levels() -> None:
    def mixed(value: int, **changes: Any) -> RenderedFrame:
        colours = np.full((1, 2, 3), value, np.uint8)
        made = replace(frame([[0, 0]]), pixels=colours, mix=("rgb", "b", "c"), other_levels=((0.0, 1.0), (0.0, 1.0)))
        return replace(made, **changes)

    found = difference(mixed(255), mixed(102))
    assert found is not None
    assert found.largest == pytest.approx(0.6)
    assert found.frame.mix == ()
    assert difference(mixed(255), mixed(102, mix=())) is None
    assert difference(mixed(255), mixed(102, other_levels=((0.0, 1.0), (0.0, 2.0)))) is None
