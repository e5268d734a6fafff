"""The radial spectrum against waves whose length is known."""

import numpy as np
import pytest

from viewer.dynamics.spectrum import Spectrum, radial_spectrum


def wave(height: int, width: int, down: int, along: int, amplitude: float = 1.0) -> np.ndarray:
    """A plane wave with so many waves along both sides."""
    y, x = np.mgrid[:height, :width]
    return amplitude * np.cos(2 * np.pi * (down * y / height + along * x / width))


@pytest.mark.parametrize(("down", "along"), [(0, 8), (5, 0), (3, 4)])
def test_a_plane_wave_has_its_power_at_its_wave_number(down: int, along: int) -> None:
    waves, power = radial_spectrum(wave(64, 64, down, along))
    at = power.argmax()
    assert waves[at] == pytest.approx(np.hypot(down, along) / 64)
    assert power[np.arange(len(power)) != at].max() < 1e-12 * power[at]


def test_wave_numbers_are_per_cell_of_the_grid_also_after_averaging() -> None:
    values = wave(60, 120, 0, 6).reshape(20, 3, 60, 2).mean((1, 3))  # areas of 3 x 2 cells
    waves, power = radial_spectrum(values, (3.0, 2.0))
    assert Spectrum(0, waves, power).peak == pytest.approx(20.0)  # 120 cells / 6 waves


def test_a_row_of_cells_has_a_spectrum() -> None:
    waves, power = radial_spectrum(wave(1, 128, 0, 16), (1.0, 1.0))
    assert Spectrum(0, waves, power).peak == pytest.approx(8.0)


def test_power_of_noise_is_flat_and_adds_up_to_its_variance() -> None:
    values = np.random.default_rng(0).normal(size=(64, 64))
    waves, power = radial_spectrum(values)
    assert power[: len(power) // 2].mean() == pytest.approx(power[len(power) // 2 :].mean(), rel=0.1)
    # Rings hold about 2 pi k waves each, so that the mean power is that of white noise: variance / number of cells.
    assert np.average(power, weights=waves) == pytest.approx(values.var() / values.size, rel=0.05)


def test_an_even_field_has_no_peak() -> None:
    assert Spectrum(0, *radial_spectrum(np.full((16, 16), 3.0))).peak is None
