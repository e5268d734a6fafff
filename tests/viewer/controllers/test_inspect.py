"""The cell under the mouse: read from a live source, followed, and as a table. No Qt."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from aetheria.motor.motor import Aetheria_Motor
from tests.small_laws import small_law
from tests.viewer.fakes import FakeView, life, live, wait_until
from viewer.controllers.controller import Controller
from viewer.controllers.inspect import channel_table
from viewer.model.frame import CellValues
from viewer.sources.live import LiveSource


@pytest.fixture
def source() -> Iterator[LiveSource]:
    cells = torch.randn(2, 4, 12, 16, generator=torch.Generator().manual_seed(3))
    motor = Aetheria_Motor(small_law("MLP"), (12, 16), 2, "cpu", {"plan": "eager"}, initial=cells, batch=2)
    source = live(motor)
    yield source
    source.close()


def read_from(source: LiveSource, places: list[tuple[int, int, int]]) -> list[CellValues]:
    """Asks for all places while the worker is busy, then for what came of it."""
    read: list[CellValues] = []
    asked, done = threading.Event(), threading.Event()
    source.submit(asked.wait)
    for y, x, universe in places:
        source.inspect(y, x, universe, read.append)
    source.submit(done.set)
    asked.set()
    assert done.wait(20)
    source.run_callbacks()
    return read


def test_a_cell_is_read_with_all_its_channels_and_the_field_in_view(source: LiveSource) -> None:
    (cell,) = read_from(source, [(5, 11, 1)])
    expected = source.motor.cells[1, :, 5, 11].double().numpy()
    assert np.array_equal(cell.channels, expected)
    assert (cell.step, cell.y, cell.x, cell.universe, cell.d_state) == (0, 5, 11, 1, 2)
    assert cell.fields["density"] == pytest.approx((expected**2).sum(), rel=1e-6)


def test_of_many_cells_asked_for_at_once_only_the_last_is_read(source: LiveSource) -> None:
    (cell,) = read_from(source, [(0, x, 0) for x in range(16)])
    assert cell.x == 15


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller(FakeView())
    controller.open(live(life(24, 32, batch=2)))
    wait_until(lambda: controller.frame is not None, controller)
    controller.inspect.wanted = True
    yield controller
    controller.close()


def reads(controller: Controller, y: int, x: int, step: int, universe: int = 0) -> bool:
    cell = controller.inspect.cell
    return cell is not None and (cell.y, cell.x, cell.step, cell.universe) == (y, x, step, universe)


def value_of(controller: Controller) -> float:
    assert controller.inspect.cell is not None
    return float(controller.inspect.cell.channels[0])


def test_the_cell_under_the_mouse_is_read_and_followed_through_the_steps(controller: Controller) -> None:
    source = controller.source
    assert isinstance(source, LiveSource)
    told: list[int] = []
    controller.inspect.listeners.append(lambda: told.append(1))
    controller.inspect.hover(7, 9)
    wait_until(lambda: reads(controller, 7, 9, 0), controller)
    controller.step_many(3)
    wait_until(lambda: reads(controller, 7, 9, 3), controller)
    assert value_of(controller) == float(source.motor.cells[0, 0, 7, 9])
    controller.next_universe()
    wait_until(lambda: reads(controller, 7, 9, 3, universe=1), controller)
    assert value_of(controller) == float(source.motor.cells[1, 0, 7, 9])
    assert len(told) >= 3


def test_a_pinned_cell_stays_and_without_the_mouse_the_last_one_does(controller: Controller) -> None:
    inspect = controller.inspect
    inspect.hover(7, 9)
    wait_until(lambda: reads(controller, 7, 9, 0), controller)
    inspect.toggle_pin()
    assert controller.model.pinned == (7, 9)
    inspect.hover(1, 2)
    assert inspect.cell_position == (7, 9)
    inspect.toggle_pin()
    assert inspect.cell_position == (1, 2)
    wait_until(lambda: reads(controller, 1, 2, 0), controller)
    inspect.hover(-1, -1)
    assert inspect.cell_position == (1, 2)


def test_a_pin_without_mouse_or_reading_is_in_the_middle_of_what_is_in_view(controller: Controller) -> None:
    controller.inspect.toggle_pin()
    assert controller.model.pinned == (12, 16)


def test_nothing_is_read_that_nobody_wants_or_that_did_not_change(controller: Controller) -> None:
    source = controller.source
    assert isinstance(source, LiveSource)
    asked: list[tuple[int, int]] = []
    source.inspect = lambda *place: asked.append(place[:2])  # type: ignore[method-assign]
    inspect = controller.inspect

    def ticks() -> int:
        until = time.monotonic() + 0.35  # of which three or four would be due
        wait_until(lambda: time.monotonic() > until, controller)
        return len(asked)

    inspect.wanted = False
    inspect.hover(3, 4)
    assert ticks() == 0
    inspect.wanted = True
    assert ticks() == 1
    controller.set_visible(False)
    inspect.hover(3, 5)
    assert ticks() == 1


def test_another_source_has_no_cell_yet(controller: Controller) -> None:
    controller.inspect.hover(7, 9)
    wait_until(lambda: reads(controller, 7, 9, 0), controller)
    controller.inspect.toggle_pin()
    controller.open(live(life(8, 8)))
    assert controller.inspect.cell is None
    assert controller.inspect.cell_position is None


def test_amplitudes_are_read_as_numbers_in_the_plane_and_as_magnitude_and_phase() -> None:
    channels = np.array([3.0, -1.0, 4.0, 0.0])  # psi_0 = 3 + 4i, psi_1 = -1
    table = channel_table(CellValues(0, 0, 0, 0, channels, 2, {}))
    assert table.names == ("psi_0", "psi_1")
    assert table.values == pytest.approx(np.array([[3, 4, 5, np.arctan2(4, 3)], [-1, 0, 1, np.pi]]))


def test_a_recorded_cell_is_read_field_by_field() -> None:
    fields = {"rgb": np.array([0.1, 0.2, 0.3]), "channel_0": np.array([7.0])}
    table = channel_table(CellValues(0, 0, 0, 0, np.empty(0), None, fields))
    assert table.names == ("rgb", "channel_0")
    assert table.values[0].tolist() == [0.1, 0.2, 0.3]
    assert table.values[1, 0] == 7
    assert np.isnan(table.values[1, 1:]).all()
    assert channel_table(CellValues(0, 0, 0, 0, np.empty(0), None, {})).names == ()
