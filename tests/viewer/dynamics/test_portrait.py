"""Sections of orbits whose points are known."""

import numpy as np
import pytest

from viewer.dynamics.portrait import PortraitView, Trajectory, section, upward_crossings
from viewer.sources.samples import Sample, SampleRequest


def circle(period: float, steps: int = 400, growth: float = 0.0) -> Trajectory:
    """x = r cos, y = r sin, z = -cos of an orbit; r grows by `growth` in a step."""
    t = np.arange(steps)
    angle, radius = 2 * np.pi * t / period, 1 + growth * t
    return Trajectory(("x", "y", "z"), t, np.stack((radius * np.cos(angle), radius * np.sin(angle), -np.cos(angle)), 1), 1)


def test_crossings_are_upward_only_and_lie_on_the_straight_line() -> None:
    at, share = upward_crossings(np.array([0.0, 2.0, -1.0, -1.0, 1.0, 1.0]), 1.0)
    assert at.tolist() == [0, 3]
    assert share.tolist() == [0.5, 1.0]


def test_a_periodic_orbit_has_one_point_once_a_period() -> None:
    run = circle(period=25.3)
    points = section(run, "x", "y", "z", 0.0)
    assert len(points) == int((400 - 1) / 25.3 + 0.75)  # -cos crosses 0 upwards at a quarter of each period
    assert points == pytest.approx(np.broadcast_to((0, 1), points.shape), abs=0.02)


def test_a_spiral_moves_outwards_on_the_section() -> None:
    points = section(circle(period=20.0, growth=0.01), "x", "y", "z", 0.0)
    assert np.diff(points[:, 1]) == pytest.approx(0.2, abs=0.01)


def test_nothing_crosses_where_samples_are_missing() -> None:
    run = circle(period=20.0)
    kept = np.ones(len(run.steps), bool)
    whole = section(run, "x", "y", "z", 0.0)
    kept[3:8] = False  # the first crossing, at step 5
    gap = Trajectory(run.names, run.steps[kept], run.values[kept], 1)
    assert len(section(gap, "x", "y", "z", 0.0)) == len(whole) - 1


def test_samples_are_kept_in_order_and_begin_anew_when_they_go_back() -> None:
    collect = PortraitView().collector(SampleRequest(("a", "b"), "every", every=2))
    samples = [Sample(step, {"a": np.array(step), "b": np.array(-step)}) for step in (0, 2, 4, 2)]
    run = collect(samples[:3])
    assert run is not None
    assert run.values.tolist() == [[0, 0], [2, -2], [4, -4]]
    assert run.neighbours.all()
    run = collect(samples[3:])
    assert run is not None
    assert run.steps.tolist() == [2]
