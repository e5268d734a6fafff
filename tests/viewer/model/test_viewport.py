"""What is in view, by arithmetic alone."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from viewer.model.region import Region
from viewer.model.viewport import LARGEST, Viewport
from viewer.widgets.overlay import bar_length

GRID, SCREEN = (80, 120), (819, 1106)
WHOLE = Region(0, 0, *GRID)
FITTED = Viewport(GRID, SCREEN).showing(WHOLE)


def test_the_whole_grid_fits_the_screen_and_touches_two_of_its_edges() -> None:
    assert FITTED.region() == WHOLE
    assert FITTED.pixels()[1] == SCREEN[1]
    assert FITTED.pixels()[0] <= SCREEN[0]
    assert (FITTED.y, FITTED.x) == (40, 60)


@given(
    st.floats(0, SCREEN[0]),
    st.floats(0, SCREEN[1]),
    st.lists(st.floats(0.3, 3.0), min_size=1, max_size=12),
)
def test_zooming_keeps_the_point_under_the_cursor(down: float, right: float, factors: list[float]) -> None:
    before = Viewport((4000, 6000), SCREEN, 1.0, 2000, 3000)
    after = before
    for factor in factors:
        after = after.zoomed(factor, (down, right))
        assume(0 < after.y < 4000 and 0 < after.x < 6000)  # at the edges the grid is kept in view instead
    (y0, x0), (y1, x1) = before.cell_at(down, right), after.cell_at(down, right)
    # Each view lies on the raster of the screen: half a pixel either way, in cells of either.
    most = 0.51 * (1 / before.scale + 1 / after.scale)
    assert abs(y1 - y0) <= most
    assert abs(x1 - x0) <= most


def test_cells_are_never_larger_than_that_nor_the_grid_lost_out_of_sight() -> None:
    assert FITTED.zoomed(1e6).scale == LARGEST
    for factor in (1e6, 1e-6, 1.0):
        lost = FITTED.zoomed(factor).moved(1e9, -1e9)
        assert (lost.y, lost.x) == (0, 120)
        assert lost.region().height * lost.region().width >= 1
    assert Viewport((3, 3), SCREEN).showing(Region(0, 0, 3, 3)).scale == LARGEST


def test_zooming_out_ends_where_the_grid_is_small_but_1_to_1_is_always_there() -> None:
    large = Viewport((4000, 4000), SCREEN).showing(Region(0, 0, 4000, 4000))
    assert large.zoomed(1e-6).scale == pytest.approx(large.scale / 4)
    assert FITTED.zoomed(1e-6).scale == 1.0


def test_one_to_one_is_one_cell_to_one_pixel_on_the_raster_of_the_screen() -> None:
    viewport = Viewport((2000, 2000), SCREEN, 3.7, 1000.3, 999.9).one_to_one()
    assert (viewport.region().height, viewport.region().width) == SCREEN == viewport.pixels()
    assert viewport.top == int(viewport.top)
    assert viewport.left == int(viewport.left)


@given(st.floats(0.05, 100), st.floats(0, 80), st.floats(0, 120))
def test_places_on_the_screen_and_in_the_plane_are_each_others_inverse(scale: float, y: float, x: float) -> None:
    viewport = Viewport(GRID, SCREEN, scale, y, x)
    assert viewport.cell_at(*viewport.pixel_of(3.25, 70.5)) == pytest.approx((3.25, 70.5))
    assert viewport.cell_at(SCREEN[0] / 2, SCREEN[1] / 2) == pytest.approx((y, x), abs=0.51 / scale)


def test_moving_is_in_pixels_of_the_screen() -> None:
    viewport = Viewport((2000, 2000), SCREEN, 4.0, 1000, 1000)
    assert viewport.moved(40, -20).pixel_of(1000, 1000)[0] - viewport.pixel_of(1000, 1000)[0] == 40
    assert viewport.moved(40, -20).pixel_of(1000, 1000)[1] - viewport.pixel_of(1000, 1000)[1] == -20


def test_what_two_regions_share() -> None:
    assert Region(0, 0, 10, 10).shared(Region(5, 8, 10, 10)) == Region(5, 8, 5, 2)
    assert Region(0, 0, 10, 10).shared(Region(10, 0, 5, 5)) is None


@pytest.mark.parametrize(("most", "length"), [(0.3, 1), (1, 1), (4.9, 2), (5, 5), (19, 10), (20, 20), (4999, 2000)])
def test_the_scale_has_a_round_number_of_cells(most: float, length: int) -> None:
    assert bar_length(most) == length


def test_over_the_edge_of_a_torus_all_rows_or_columns_are_in_view() -> None:
    viewport = Viewport((200, 300), (100, 100), 2.0, 10.0, 150.0)
    assert viewport.region() == Region(0, 125, 35, 50)
    assert replace(viewport, wraps=True).region() == Region(0, 125, 200, 50)
    assert replace(viewport, wraps=True, y=100.0).region() == Region(75, 125, 50, 50)
    assert not replace(viewport, wraps=True).repeats
    assert replace(viewport, wraps=True, scale=0.4).repeats
