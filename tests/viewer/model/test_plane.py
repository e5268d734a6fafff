"""The plane: shapes, slices, and the cells under its regions."""

import numpy as np
import pytest

from aetheria.core.block import Block
from viewer.model.plane import Plane, PlaneSlice, plane_of
from viewer.model.region import Region

VOLUME = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def test_a_grid_of_two_axes_is_its_own_plane() -> None:
    plane = plane_of((5, 6))
    assert (plane.grid, plane.present, plane.cuts) == ((5, 6), Region(0, 0, 5, 6), {})
    assert plane.block(Region(1, 2, 3, 4)) == Block((1, 2), (3, 4))


def test_a_volume_is_cut_in_the_middle_of_its_first_axis() -> None:
    plane = plane_of((4, 5, 6))
    assert (plane.slice, plane.grid, plane.shown) == (PlaneSlice("z", 2), (5, 6), ("y", "x"))


@pytest.mark.parametrize(("axis", "grid"), [("z", (5, 6)), ("y", (4, 6)), ("x", (4, 5))])
def test_the_cells_under_a_region_of_a_slice_are_those_of_the_array(axis: str, grid: tuple[int, int]) -> None:
    plane = plane_of((4, 5, 6)).with_slice(axis, 3)
    region = Region(1, 2, 2, 3)
    assert plane.grid == grid
    found = plane.flat(VOLUME[plane.block(region).index])
    whole = np.take(VOLUME, 3, "zyx".index(axis))
    assert np.array_equal(found, whole[1:3, 2:5])
    assert np.array_equal(plane.deep(found), VOLUME[plane.block(region).index])


def test_an_index_beyond_the_volume_becomes_the_last() -> None:
    plane = plane_of((4, 5, 6))
    assert plane.with_slice("z", 9).slice == PlaneSlice("z", 3)
    assert plane.with_slice("z", -1).slice == PlaneSlice("z", 0)


def test_a_mean_cannot_be_painted() -> None:
    plane = plane_of((4, 5, 6))
    assert plane.paintable
    assert not plane.with_slice("y", "mean").paintable


@pytest.mark.parametrize(("width", "rows"), [(7, 128), (300, 300), (5000, 1024)])
def test_a_row_of_cells_is_the_last_row_of_its_space_time_picture(width: int, rows: int) -> None:
    plane = plane_of((width,))
    assert plane.space_time
    assert (plane.grid, plane.present) == ((rows, width), Region(rows - 1, 0, 1, width))
    assert plane.block(Region(0, 2, 1, 3)) == Block((2,), (3,))
    values = np.arange(3)[None]
    assert np.array_equal(plane.deep(plane.flat(values)), values)


@pytest.mark.parametrize(
    ("plane", "says"),
    [
        (plane_of((5, 6)), "y 1, x 2"),
        (plane_of((9,)), "x 2"),
        (plane_of((4, 5, 6)), "z 2, y 1, x 2"),
        (plane_of((4, 5, 6)).with_slice("x", 5), "z 1, y 2, x 5"),
        (plane_of((4, 5, 6)).with_slice("y", "max"), "z 1, x 2, max of y"),
    ],
)
def test_a_position_names_the_cell_of_the_grid(plane: Plane, says: str) -> None:
    assert plane.position(1, 2) == says
