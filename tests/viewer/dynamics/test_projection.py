"""Pictures of volumes against what an eye would see."""

import math

import numpy as np
import pytest

from viewer.dynamics.projection import Direction, project
from viewer.dynamics.volume import PastFramesView
from viewer.sources.samples import Sample, SampleRequest

ABOVE, FRONT = Direction(0.0, math.pi / 2), Direction(0.0, 0.0)


def middles(picture: np.ndarray, value: float) -> tuple[float, float]:
    """(row, column) of the middle of the pixels of a value, from the centre of the picture."""
    rows, columns = np.nonzero(picture == value)
    return rows.mean() - (len(picture) - 1) / 2, columns.mean() - (len(picture) - 1) / 2


def test_from_above_a_volume_looks_like_its_slices_and_the_last_one_is_nearest() -> None:
    volume = np.zeros((3, 9, 9))
    volume[0, 4, 4], volume[2, 4, 4], volume[1, 1, 7] = 1, 2, 3
    values, nearness = project(volume, 0.5, ABOVE, 130)
    assert set(values[np.isfinite(values)]) == {2, 3}, "the cell below is hidden"
    scale = ABOVE.scale(volume.shape, 130)
    assert middles(values, 2) == pytest.approx((0, 0), abs=1)
    assert middles(values, 3) == pytest.approx((-3 * scale, 3 * scale), abs=1)
    assert nearness[values == 2].min() > nearness[values == 3].max()


def test_from_the_front_the_first_axis_points_up_and_large_y_is_near() -> None:
    volume = np.zeros((9, 5, 9))
    volume[8, 0, 4], volume[4, 0, 0], volume[4, 4, 0] = 1, 2, 3
    values, _ = project(volume, 0.5, FRONT, 130)
    scale = FRONT.scale(volume.shape, 130)
    assert middles(values, 1) == pytest.approx((-4 * scale, 0), abs=1)
    assert middles(values, 3) == pytest.approx((0, -4 * scale), abs=1)
    assert 2 not in values


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_cell_is_seen_from_every_direction(seed: int) -> None:
    rng = np.random.default_rng(seed)
    direction = Direction(rng.uniform(0, 2 * math.pi), rng.uniform(-math.pi / 2, math.pi / 2))
    volume = np.where(rng.random((7, 8, 9)) < 0.5, np.arange(1.0, 505).reshape(7, 8, 9), 0)
    values, _ = project(volume, 0, direction, 160)
    places = np.argwhere(volume > 0) - (np.array(volume.shape) - 1) / 2
    nearest = (places @ direction.axes[2]).argmax()
    assert volume[volume > 0][nearest] in values
    assert direction.axes @ direction.axes.T == pytest.approx(np.eye(3))


def test_a_solid_block_looks_the_same_without_its_inside() -> None:
    solid = np.ones((8, 8, 8))
    hollow = solid.copy()
    hollow[1:-1, 1:-1, 1:-1] = 0
    for azimuth in (0.3, 2.0, 4.0):
        one, other = (project(volume, 0.5, Direction(azimuth, 0.6), 100)[1] for volume in (solid, hollow))
        assert np.array_equal(one, other)


def test_a_turn_of_any_kind_keeps_the_volume_in_the_picture() -> None:
    volume = np.ones((5, 20, 30))
    for azimuth, elevation in ((0.7, 0.4), (2.5, -1.0), (0, 1.57)):
        direction = Direction(azimuth, elevation)
        edges = direction.edges((5, 20, 30), 100)
        assert edges.shape == (12, 2, 2)
        assert 0 <= edges.min() <= edges.max() <= 100
        values, _ = project(volume, 0.5, direction, 100)
        rows, columns = np.nonzero(np.isfinite(values))
        assert rows.min() == pytest.approx(edges[..., 1].min(), abs=3)
        assert columns.max() == pytest.approx(edges[..., 0].max(), abs=3)


@pytest.mark.parametrize("volume", [np.zeros((3, 3, 3)), np.full((3, 3, 3), np.nan), np.ones((1, 1, 1))])
def test_empty_and_smallest_volumes_have_a_picture(volume: np.ndarray) -> None:
    values, _ = project(volume, 0.5, Direction(), 20)
    assert np.isfinite(values).any() == (volume == 1).all()


def test_elevation_stops_at_the_poles() -> None:
    assert Direction().turned(0, 9).elevation == math.pi / 2
    assert Direction().turned(0, -9).elevation == -math.pi / 2


def test_past_frames_are_stacked_in_order() -> None:
    collect = PastFramesView().collector(SampleRequest(("u",), "every"))
    volume = collect([Sample(step, {"u": np.full((2, 3), float(step))}) for step in range(70)])
    assert volume is not None
    assert volume.values.shape == (64, 2, 3)
    assert volume.values[:, 0, 0].tolist() == list(range(6, 70))
    assert volume.caption == "steps 6 to 69, the newest on top"
