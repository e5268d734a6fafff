"""A grid of one axis, seen as a space-time picture: rows, painting, and reading cells; no Qt."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.viewer.fakes import FakeView, live, wait_until
from tests.viewer.grids import shift, soup
from viewer.controllers.controller import Controller
from viewer.model.frame import CellValues
from viewer.model.region import Region
from viewer.sources.live import LiveSource

WIDTH, ROWS = 20, 128


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(live(shift(WIDTH)))
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()


def rows_after(steps: int, last: int = ROWS) -> np.ndarray:
    """The rows of steps 0 to `steps`, the newest `last` of them, by rolling in NumPy."""
    first = soup(WIDTH)[0].numpy()
    return np.stack([np.roll(first, k) for k in range(max(0, steps - last + 1), steps + 1)])


def shows(view: FakeView, steps: int) -> bool:
    frame = view.frames[-1]
    wanted = rows_after(steps)
    return (
        frame.step == steps
        and frame.region == Region(ROWS - len(wanted), 0, len(wanted), WIDTH)
        and np.array_equal(frame.pixels > 127, wanted == 1)
    )


def motor_of(controller: Controller) -> LiveSource:
    assert isinstance(controller.source, LiveSource)
    return controller.source


def test_the_first_row_is_at_the_bottom(controller: Controller, view: FakeView) -> None:
    assert controller.plane is not None
    assert controller.plane.grid == (ROWS, WIDTH)
    wait_until(lambda: shows(view, 0), controller)


def test_every_step_is_a_row_and_the_oldest_scroll_away(controller: Controller, view: FakeView) -> None:
    controller.go_to(9)
    wait_until(lambda: shows(view, 9), controller)
    controller.go_to(300)
    wait_until(lambda: shows(view, 300), controller)


def test_a_row_is_as_many_steps_as_an_update(controller: Controller, view: FakeView) -> None:
    controller.model.set(stride=4)
    controller.go_to(40)
    wait_until(lambda: view.frames[-1].step == 40 and view.frames[-1].region.height == 11, controller)
    assert np.array_equal(view.frames[-1].pixels > 127, rows_after(40)[::4] == 1)


def test_a_restart_begins_a_new_picture(controller: Controller, view: FakeView) -> None:
    controller.go_to(9)
    wait_until(lambda: shows(view, 9), controller)
    controller.reset()
    wait_until(lambda: shows(view, 0), controller)


def test_only_visible_cells_are_rendered(controller: Controller, view: FakeView) -> None:
    controller.go_to(9)
    wait_until(lambda: shows(view, 9), controller)
    controller.set_visible_area(Region(ROWS - 4, 5, 4, 10), (400, 1000))
    wait_until(lambda: view.frames[-1].region == Region(ROWS - 4, 5, 4, 10), controller)
    assert np.array_equal(view.frames[-1].pixels > 127, rows_after(9)[-4:, 5:15] == 1)


def test_a_hidden_window_reads_no_rows(controller: Controller, view: FakeView) -> None:
    source = motor_of(controller)
    controller.set_visible(False)
    wait_until(lambda: not source.motor._loop.feed._open(), controller)
    sent = source.motor.optimizer.transfer_stats.bytes
    source.motor.step(50)
    assert source.motor.optimizer.transfer_stats.bytes == sent


def test_painting_anywhere_changes_the_newest_row(controller: Controller, view: FakeView) -> None:
    source = motor_of(controller)
    controller.go_to(9)
    wait_until(lambda: shows(view, 9), controller)
    controller.tools.erase()
    controller.model.change_brush(size=5)
    controller.tools.press(30.0, 10.5)
    controller.tools.release(30.0, 10.5)
    wait_until(lambda: not source.motor.cells[0, 0, 8:13].any(), controller)
    expected = torch.from_numpy(rows_after(9)[-1].copy())
    expected[8:13] = 0
    assert torch.equal(source.motor.cells[0, 0], expected)
    wait_until(lambda: np.array_equal(view.frames[-1].pixels[-1] > 127, expected.numpy() == 1), controller)
    assert np.array_equal(view.frames[-1].pixels[:-1] > 127, rows_after(9)[:-1] == 1), "earlier rows stay"
    controller.tools.undo()
    wait_until(lambda: shows(view, 9), controller)


def test_the_footprint_lies_on_the_newest_row(controller: Controller) -> None:
    controller.tools.draw()
    controller.model.change_brush(size=5)
    assert controller.tools.footprint(30.0, 10.5) == (Region(ROWS - 1, 8, 1, 5), False)


def test_a_vortex_needs_two_dimensions_and_patterns_of_several_rows_are_not_offered(controller: Controller) -> None:
    assert controller.tools.why_not("vortex")
    wait_until(lambda: motor_of(controller)._waiting == {}, controller)
    assert all(stamp.values.shape[0] == 1 for stamp in controller.tools.stamps)


def test_a_cell_of_an_earlier_row_is_read_with_its_step(controller: Controller, view: FakeView) -> None:
    controller.go_to(9)
    wait_until(lambda: shows(view, 9), controller)
    cells: list[CellValues] = []
    for y in (ROWS - 1, ROWS - 4, 0):
        motor_of(controller).inspect(y, 7, 0, cells.append)
        wait_until(lambda: motor_of(controller)._waiting == {}, controller)
        controller.tick()
    assert [(cell.step, float(cell.fields["channel_0"][0])) for cell in cells] == [
        (9, rows_after(9)[-1, 7]),
        (6, rows_after(9)[-4, 7]),
    ]
    assert [cell.channels.size for cell in cells] == [1, 0], "only the present row has all channels"


def test_code_that_steps_the_motor_fills_the_picture_too(view: FakeView) -> None:
    controller = Controller(view)
    motor = shift(WIDTH)
    controller.open(live(motor, steps_it=False))
    wait_until(lambda: view.frames, controller)
    motor.step(30)
    wait_until(lambda: shows(view, 30), controller)
    controller.close()
