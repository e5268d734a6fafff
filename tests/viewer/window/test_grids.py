"""The window on grids of one and three axes: the slice bar, painting, and the space-time picture that scrolls."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import live
from tests.viewer.grids import shift
from viewer.model.plane import PlaneSlice
from viewer.sources.live import LiveSource
from viewer.window.window import Window

GRID = (6, 9, 12)


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    window = Window()
    qtbot.addWidget(window)
    window.resize(900, 700)
    window.show()
    return window


def opened(window: Window, qtbot: QtBot, *grid: int) -> LiveSource:
    source = live(shift(*grid))
    window.controller.open(source)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    return source


def slice_of(window: Window) -> PlaneSlice | None:
    frame = window.controller.frame
    return None if frame is None else frame.slice


def click(window: Window, y: float, x: float) -> None:
    """Presses and releases the left button over a place of the plane."""
    canvas = window.canvas
    point = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(x, y)))
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=point)


def test_only_a_volume_has_a_slice_bar(window: Window, qtbot: QtBot) -> None:
    assert not window.slice_bar.isVisible()
    opened(window, qtbot, *GRID)
    assert window.slice_bar.isVisible()
    assert [window.slice_bar.axis.itemText(k) for k in range(3)] == ["z", "y", "x"]
    assert window.slice_bar.position_text.text() == "3 of 0 to 5"
    opened(window, qtbot, 9, 12)
    assert not window.slice_bar.isVisible()
    opened(window, qtbot, 20)
    assert not window.slice_bar.isVisible()


def test_the_bar_selects_index_axis_and_mean(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, *GRID)
    bar = window.slice_bar
    bar.index.setValue(5)
    qtbot.waitUntil(lambda: slice_of(window) == PlaneSlice("z", 5))
    bar.axis.setCurrentText("x")
    bar.axis.textActivated.emit("x")
    qtbot.waitUntil(lambda: slice_of(window) == PlaneSlice("x", 6))
    assert (window.canvas.grid, bar.index.maximum()) == ((6, 9), 11)
    bar.kind.setCurrentIndex(bar.kind.findData("mean"))
    bar.kind.activated.emit(bar.kind.currentIndex())
    qtbot.waitUntil(lambda: slice_of(window) == PlaneSlice("x", "mean"))
    assert (bar.index.isEnabled(), bar.position_text.text()) == (False, "of 12")


def test_keys_pass_through_the_slices(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, *GRID)
    qtbot.waitUntil(window.isActiveWindow)
    for key, wanted in (
        (Qt.Key.Key_PageUp, PlaneSlice("z", 4)),
        (Qt.Key.Key_PageDown, PlaneSlice("z", 3)),
        (Qt.Key.Key_X, PlaneSlice("y", 4)),
    ):
        QTest.keyClick(window.canvas, key, Qt.KeyboardModifier.ShiftModifier)
        qtbot.waitUntil(lambda wanted=wanted: slice_of(window) == wanted)  # type: ignore[misc]
    assert window.slice_bar.axis.currentText() == "y"


def test_the_mouse_paints_on_the_slice(window: Window, qtbot: QtBot) -> None:
    source = opened(window, qtbot, *GRID)
    window.controller.set_slice("y", 2)
    qtbot.waitUntil(lambda: slice_of(window) == PlaneSlice("y", 2))
    before = source.motor.cells
    window.controller.tools.erase()
    window.controller.model.change_brush(size=3)
    click(window, 2.5, 4.5)
    qtbot.waitUntil(lambda: window.controller.tools.undoable == 1)
    expected = before.clone()
    expected[0, 0, 1:4, 2, 3:6] = 0
    assert (source.motor.cells == expected).all()
    assert not window.panels["tools"].buttons["vortex"].isEnabled()  # type: ignore[attr-defined]


def test_a_row_scrolls_with_the_newest_step_at_the_bottom(window: Window, qtbot: QtBot) -> None:
    source = opened(window, qtbot, 20)
    assert window.canvas.grid == (128, 20)
    window.controller.go_to(200)
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.step == 200)
    frame = window.controller.frame
    assert frame is not None
    newest = source.motor.cells[0, 0].numpy()
    assert frame.pixels.shape == (128, 20)
    assert np.array_equal(frame.pixels[-1] > 127, newest == 1)
    assert np.array_equal(frame.pixels[0] > 127, np.roll(newest, -127) == 1), "the row of 127 steps before"


def test_the_inspector_names_the_cell_of_the_grid(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, *GRID)
    window.docks["inspector"].raise_()
    panel = window.panels["inspector"]
    qtbot.waitUntil(panel.isVisible)
    window.controller.inspect.wanted = True
    window.controller.inspect.hover(2, 7)
    qtbot.waitUntil(lambda: panel.place.text() == "z 3, y 2, x 7")  # type: ignore[attr-defined]
