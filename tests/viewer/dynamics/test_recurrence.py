"""Distances and periods of frames whose return is known."""

import numpy as np
import pytest

from viewer.dynamics.recurrence import RecurrenceCollector
from viewer.sources.samples import Sample


def frames(count: int, period: int, first: int = 0, every: int = 1) -> list[Sample]:
    """Noise that comes back after some frames."""
    noise = np.random.default_rng(1).random((period, 8, 8))
    return [Sample(first + every * k, {"u": noise[(first + k) % period]}) for k in range(count)]


def test_a_periodic_orbit_recurs_after_its_period() -> None:
    result = RecurrenceCollector("u")(frames(10, period=3))
    assert result is not None
    zero = result.distances < 1e-12
    expected = (np.arange(10)[:, None] - np.arange(10)) % 3 == 0
    assert np.array_equal(zero, expected)
    assert result.period == 3


def test_the_period_is_in_steps() -> None:
    result = RecurrenceCollector("u")(frames(10, period=3, every=4))
    assert result is not None
    assert result.period == 12


def test_a_pattern_that_moves_has_the_period_of_its_shape() -> None:
    frame = np.random.default_rng(1).random((8, 8))
    result = RecurrenceCollector("u")([Sample(k, {"u": np.roll(frame, k, 1)}) for k in range(4)])
    assert result is not None
    assert result.period == 1
    assert result.distances[0, 3] > 0.1


def test_distances_stay_the_same_however_the_frames_come_in() -> None:
    at_once, one_by_one = RecurrenceCollector("u", kept=6), RecurrenceCollector("u", kept=6)
    samples = frames(11, period=50)
    result = at_once(samples)
    for sample in samples:
        other = one_by_one([sample])
    assert result is not None
    assert other is not None
    assert result.steps.tolist() == other.steps.tolist() == [5, 6, 7, 8, 9, 10]
    assert result.distances == pytest.approx(other.distances)
    a, b = samples[6].values["u"], samples[9].values["u"]
    assert result.distances[1, 4] == pytest.approx(np.sqrt(((a - b) ** 2).mean()))
    assert result.period == 0


def test_going_back_begins_anew() -> None:
    collector = RecurrenceCollector("u")
    collector(frames(5, period=9))
    result = collector(frames(2, period=9, first=1))
    assert result is not None
    assert result.steps.tolist() == [1, 2]
