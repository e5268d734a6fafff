"""Places of tiles, and of the crosshair of three slices."""

import pytest

from viewer.dynamics.slices import Crosshair
from viewer.dynamics.universes import sheet_for
from viewer.model.plane import PlaneSlice, plane_of


@pytest.mark.parametrize(
    ("count", "grid", "area", "columns"),
    [(1, (10, 10), (100, 300), 1), (4, (10, 10), (200, 200), 2), (3, (10, 10), (100, 400), 3), (3, (10, 10), (400, 100), 1)],
)
def test_tiles_are_as_large_as_fit(count: int, grid: tuple[int, int], area: tuple[int, int], columns: int) -> None:
    sheet = sheet_for(count, grid, area)
    assert sheet.columns == columns
    for index in range(count):
        top, left = sheet.place(index)
        assert 0 <= top <= top + sheet.tile[0] <= area[0]
        assert 0 <= left <= left + sheet.tile[1] <= area[1]
        assert sheet.index_at(top + sheet.tile[0] / 2, left + sheet.tile[1] / 2) == index


def test_nothing_is_between_the_tiles_and_after_the_last() -> None:
    sheet = sheet_for(3, (10, 10), (200, 200))
    assert sheet.columns == 2
    assert sheet.index_at(1, 1) is None
    assert sheet.index_at(150, 150) is None, "the fourth place is empty"
    assert sheet.index_at(50, 500) is None


def test_a_thousand_tiles_in_a_small_area_have_a_size() -> None:
    sheet = sheet_for(1000, (64, 64), (20, 20))
    assert min(sheet.tile) > 0


def test_the_crosshair_is_on_the_slice_of_the_canvas_and_stays_inside() -> None:
    crosshair = Crosshair()
    plane = plane_of((6, 8, 10))
    crosshair.set_plane(plane.with_slice("y", 1))
    assert crosshair.index == {"z": 3, "y": 1, "x": 5}
    crosshair.move("x", 99)
    crosshair.move("z", -1)
    assert crosshair.index == {"z": 0, "y": 1, "x": 9}
    crosshair.follow(plane.with_slice("y", "max"))
    assert crosshair.index["y"] == 1
    assert [crosshair.shown(number) for number in range(3)] == [("y", "x"), ("z", "x"), ("z", "y")]


def test_a_plane_has_no_crosshair() -> None:
    crosshair = Crosshair()
    crosshair.set_plane(plane_of((6, 8)))
    assert crosshair.plane is None
    crosshair.follow(plane_of((6, 8, 10), ("z", "y", "x")))
    assert crosshair.index == {}
    assert plane_of((6, 8, 10)).slice == PlaneSlice("z", 3)
