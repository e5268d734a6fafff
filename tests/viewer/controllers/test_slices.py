"""A grid of three axes, seen as slices: index, mean, maximum, painting and reading cells; no Qt."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch

from aetheria.observe.request import Cut
from tests.viewer.fakes import FakeView, live, wait_until
from tests.viewer.grids import shift
from viewer.controllers.actions import why_unavailable
from viewer.controllers.controller import Controller
from viewer.model.frame import CellValues
from viewer.model.plane import PlaneSlice
from viewer.model.region import Region
from viewer.sources.live import LiveSource

GRID = (6, 9, 12)


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(live(shift(*GRID)))
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()


def source_of(controller: Controller) -> LiveSource:
    assert isinstance(controller.source, LiveSource)
    return controller.source


def volume(controller: Controller) -> np.ndarray:
    return source_of(controller).motor.cells[0, 0].numpy()


def shown(view: FakeView, axis: str, cut: object) -> np.ndarray:
    """The pixels of the newest frame, if it shows this slice."""
    frame = view.frames[-1]
    return frame.pixels / 255 if frame.slice == PlaneSlice(axis, cut) else np.empty(0)  # type: ignore[arg-type]


def shows(view: FakeView, axis: str, cut: object, values: np.ndarray) -> bool:
    pixels = shown(view, axis, cut)
    return pixels.shape == values.shape and bool(np.allclose(pixels, values, atol=0.5 / 255))


def test_the_middle_slice_is_shown_first(controller: Controller, view: FakeView) -> None:
    wait_until(lambda: shows(view, "z", 3, volume(controller)[3]), controller)


@pytest.mark.parametrize(("axis", "cut"), [("z", 0), ("z", 5), ("y", 4), ("x", 11)])
def test_any_slice_equals_the_cells(controller: Controller, view: FakeView, axis: str, cut: int) -> None:
    controller.set_slice(axis, cut)
    wait_until(lambda: shows(view, axis, cut, volume(controller).take(cut, "zyx".index(axis))), controller)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_mean_and_maximum_equal_those_of_the_cells(controller: Controller, view: FakeView, axis: str) -> None:
    controller.model.change_view(level_mode="locked", levels=(0.0, 1.0))
    for cut in ("mean", "max"):
        controller.set_slice(axis, cut)
        values = getattr(volume(controller), cut)("zyx".index(axis))
        wait_until(partial(shows, view, axis, cut, values), controller)


def test_another_axis_brings_a_plane_of_another_shape(controller: Controller, view: FakeView) -> None:
    controller.set_slice("x", 2)
    assert [plane.grid for plane in view.planes] == [(6, 9)]
    assert controller.model.region == Region(0, 0, 6, 9)
    controller.set_slice("x", 3)
    assert len(view.planes) == 1, "another index is no other shape"


def test_slices_are_passed_one_by_one_and_end_at_the_edges(controller: Controller) -> None:
    for _ in range(9):
        controller.next_slice()
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.slice == PlaneSlice("z", 5)
    for _ in range(9):
        controller.previous_slice()
    assert controller.model.view_settings.slice == PlaneSlice("z", 0)
    controller.next_axis()
    assert controller.model.view_settings.slice == PlaneSlice("y", 4)


def test_a_flat_grid_has_no_slices(view: FakeView) -> None:
    controller = Controller(view)
    controller.open(live())
    assert why_unavailable("volume", controller.source)
    controller.next_slice()
    controller.next_axis()
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.slice is None
    controller.close()


@pytest.mark.parametrize(("axis", "cut"), [("z", 1), ("y", 7), ("x", 5)])
def test_painting_changes_only_the_cells_of_the_slice(controller: Controller, axis: str, cut: int) -> None:
    source = source_of(controller)
    before = source.motor.cells
    controller.set_slice(axis, cut)
    controller.tools.draw()
    controller.model.change_brush(size=3)
    controller.tools.press(2.5, 4.5)
    controller.tools.release(2.5, 4.5)
    expected = before.clone()
    expected.select("zyx".index(axis) + 2, cut)[0, 0, 1:4, 3:6] = 1
    wait_until(lambda: controller.tools.undoable == 1, controller)
    assert torch.equal(source.motor.cells, expected)
    controller.set_slice("z", 0)  # the stroke is undone where it was made
    controller.tools.undo()
    wait_until(lambda: controller.tools.redoable == 1, controller)
    assert torch.equal(source.motor.cells, before)


def test_a_mean_is_not_painted_and_the_user_is_told_why(controller: Controller, view: FakeView) -> None:
    before = source_of(controller).motor.cells
    controller.tools.draw()
    controller.set_slice("z", "mean")
    controller.tools.press(2.5, 4.5)
    controller.tools.release(2.5, 4.5)
    assert "a mean or maximum cannot be painted" in view.messages[-1].text
    assert torch.equal(source_of(controller).motor.cells, before)


def _as_many(found: list[CellValues], number: int) -> bool:
    return len(found) == number


def test_a_cell_of_the_slice_is_read_with_its_channels_and_of_a_mean_only_the_field(controller: Controller) -> None:
    cells: list[CellValues] = []
    cuts: tuple[Cut, ...] = (4, "mean")
    for number, cut in enumerate(cuts, 1):
        controller.set_slice("y", cut)
        source_of(controller).inspect(2, 7, 0, cells.append)
        wait_until(partial(_as_many, cells, number), controller)
    one, mean = cells
    assert one.channels.tolist() == [volume(controller)[2, 4, 7]]
    assert mean.channels.size == 0
    assert mean.fields["channel_0"][0] == pytest.approx(volume(controller)[2, :, 7].mean())


def test_the_view_follows_the_centre_of_mass_in_the_plane(view: FakeView) -> None:
    cells = torch.zeros(1, *GRID)
    cells[0, 1, 2, 10] = 1
    controller = Controller(view)
    controller.open(live(shift(*GRID, cells=cells)))
    controller.set_slice("y", 2)
    controller.toggle_follow()
    wait_until(lambda: view.centres, controller)
    assert view.centres[-1] == pytest.approx((1.5, 10.5))
    controller.close()


def test_the_config_says_which_slice_is_shown_first(view: FakeView) -> None:
    from aetheria.runs.config import RunConfig

    config = RunConfig.checked(
        {"steps": 1, "grid": {"shape": list(GRID)}, "law": {"name": "Lenia"}, "picture": {"slice": {"x": 3}}}, ""
    )
    controller = Controller(view)
    controller.open(live(shift(*GRID), config=config))
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.slice == PlaneSlice("x", 3)
    assert controller.model.region == Region(0, 0, 6, 9)
    controller.close()
