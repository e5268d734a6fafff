"""The flow of blobs that are moved by a known way."""

import numpy as np
import pytest

from viewer.dynamics.flow import flow_of, velocities
from viewer.sources.samples import Sample


def blob(y: float, x: float, side: int = 64, width: float = 5.0) -> np.ndarray:
    """A Gaussian on a torus."""
    rows, columns = (((np.arange(side) - centre + side / 2) % side - side / 2) for centre in (y, x))
    return np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * width**2))


@pytest.mark.parametrize("way", [(0.5, -0.25), (0.0, 1.0), (-1.5, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("centre", [(32.0, 32.0), (1.0, 62.0)])
def test_a_moving_blob_has_its_velocity_also_across_the_edge(way: tuple[float, float], centre: tuple[float, float]) -> None:
    before, after = blob(*centre), blob(centre[0] + way[0], centre[1] + way[1])
    velocity, _, trust = velocities(before, after, 4)
    assert np.average(velocity, axis=0, weights=trust) == pytest.approx(way, abs=0.05)
    assert velocity[trust > 0.3] == pytest.approx(np.broadcast_to(way, velocity[trust > 0.3].shape), abs=0.12)


def test_two_blobs_move_apart() -> None:
    before = blob(32, 16) + blob(32, 48)
    after = blob(32.5, 16) + blob(31.5, 48)
    velocity, at, trust = velocities(before, after, 4)
    for side, down in ((at[:, 1] < 32, 0.5), (at[:, 1] > 32, -0.5)):
        assert np.average(velocity[side], axis=0, weights=trust[side]) == pytest.approx((down, 0), abs=0.05)


def test_of_a_straight_edge_only_the_motion_across_it_is_seen() -> None:
    row = np.cos(2 * np.pi * np.arange(64) / 16)
    shifted = np.cos(2 * np.pi * (np.arange(64) - 0.5) / 16)
    velocity, _, trust = velocities(np.tile(row, (64, 1)), np.tile(shifted, (64, 1)), 8)
    assert trust.min() > 0.5
    assert velocity == pytest.approx(np.broadcast_to((0, 0.5), velocity.shape), abs=0.02)


def test_velocities_are_in_cells_per_step_of_the_grid() -> None:
    before, after = (Sample(step, {"u": blob(32, x)}, (2.0, 4.0)) for step, x in ((10, 32.0), (12, 33.0)))
    flow = flow_of(before, after, "u")
    assert flow is not None
    middle = np.abs(flow.at - (64, 128)).sum(1).argmin()  # the centre of the blob in cells
    assert flow.velocity[middle] == pytest.approx((0, 2.0), abs=0.1)


def test_an_even_field_and_one_row_have_a_flow() -> None:
    even = [Sample(step, {"u": np.ones((8, 8))}) for step in (0, 1)]
    flow = flow_of(even[0], even[1], "u")
    assert flow is not None
    assert len(flow.at) == 0
    row = [Sample(step, {"u": blob(0, x)[:1]}) for step, x in ((0, 30.0), (1, 30.5))]
    flow = flow_of(row[0], row[1], "u")
    assert flow is not None
    assert flow.velocity.mean(0) == pytest.approx((0, 0.5), abs=0.05)


def test_nan_has_no_flow() -> None:
    bad = [Sample(step, {"u": np.full((8, 8), np.nan)}) for step in (0, 1)]
    assert flow_of(bad[0], bad[1], "u") is None
