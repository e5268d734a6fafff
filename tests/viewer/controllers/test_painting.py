"""Painting in the real window, offscreen, with mouse and keys."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import life, live
from viewer.sources.live import LiveSource
from viewer.window.window import Window

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(life(initial=torch.zeros(1, 24, 32))))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None and bool(window.controller.tools.stamps))
    yield window
    window.close()


def motor_of(window: Window) -> Aetheria_Motor:
    assert isinstance(window.controller.source, LiveSource)
    return window.controller.source.motor


def on_screen(window: Window, y: float, x: float) -> QPoint:
    """Where on the canvas a place in cells is."""
    scene = window.canvas.box.mapViewToScene(QPointF(x, y))
    return window.canvas.mapFromScene(scene)


def drag(window: Window, start: tuple[float, float], end: tuple[float, float], button: Qt.MouseButton = LEFT) -> None:
    """With several moves, as a mouse does it."""
    viewport = window.canvas.viewport()
    QTest.mousePress(viewport, button, pos=on_screen(window, *start))
    for t in np.linspace(0.2, 1, 5):
        QTest.mouseMove(viewport, on_screen(window, *((1 - t) * np.array(start) + t * np.array(end))))
    QTest.mouseRelease(viewport, button, pos=on_screen(window, *end))


def live_cells(window: Window) -> list[list[int]]:
    return np.argwhere(motor_of(window).cells[0, 0].numpy() > 0.5).tolist()


def column(x: int, top: int, bottom: int) -> list[list[int]]:
    return [[y, x] for y in range(top, bottom)]


def test_drawing_erasing_undoing_and_redoing_with_keys_and_mouse(window: Window, qtbot: QtBot) -> None:
    canvas = window.canvas

    def until(cells: list[list[int]]) -> None:
        qtbot.waitUntil(lambda: live_cells(window) == cells)

    qtbot.keyClick(canvas, Qt.Key.Key_D)
    window.controller.model.change_brush(size=1)
    drag(window, (4.5, 9.5), (11.5, 9.5))
    until(column(9, 4, 12))
    drag(window, (8.5, 9.5), (11.5, 9.5), RIGHT)
    until(column(9, 4, 8))
    qtbot.keyClick(canvas, Qt.Key.Key_E)
    drag(window, (6.5, 9.5), (7.5, 9.5))
    until(column(9, 4, 6))
    for wanted in (column(9, 4, 8), column(9, 4, 12), []):
        qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        until(wanted)
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    until(column(9, 4, 12))
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.pixels.sum() == 8 * 255)


def test_without_a_brush_the_mouse_moves_the_view_and_paints_nothing(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    qtbot.keyClick(window.canvas, Qt.Key.Key_V)
    assert not window.canvas.tool_in_hand
    before = window.canvas.box.viewRange()
    drag(window, (4.5, 9.5), (11.5, 20.5))
    assert window.canvas.box.viewRange() != before
    assert window.controller.tools.undoable == 0
    assert not live_cells(window)


def test_a_drag_over_the_edge_of_a_torus_goes_on_at_the_other_side(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    window.controller.model.change_brush(size=1)
    window.canvas.zoom(0.7)
    drag(window, (21.5, 5.5), (26.5, 5.5))
    qtbot.waitUntil(lambda: live_cells(window) == [*column(5, 0, 3), *column(5, 21, 24)])


def test_the_outline_of_the_brush_follows_the_mouse_and_grows_with_the_brush(window: Window, qtbot: QtBot) -> None:
    outline = window.brush_cursor.outline
    QTest.mouseMove(window.canvas.viewport(), on_screen(window, 10.5, 12.5))
    assert outline.path().isEmpty()
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    window.controller.model.change_brush(size=5)
    QTest.mouseMove(window.canvas.viewport(), on_screen(window, 10.5, 12.6))
    qtbot.waitUntil(lambda: not outline.path().isEmpty())
    rectangle = outline.path().boundingRect()
    assert (rectangle.top(), rectangle.left(), rectangle.height(), rectangle.width()) == (8, 10, 5, 5)
    qtbot.keyClick(window.canvas, Qt.Key.Key_B)
    assert outline.path().boundingRect().width() == 6
    qtbot.keyClick(window.canvas, Qt.Key.Key_B, Qt.KeyboardModifier.ShiftModifier)
    assert outline.path().boundingRect().width() == 5
    QTest.mouseMove(window.canvas.viewport(), on_screen(window, 0.5, 12.5))
    qtbot.waitUntil(lambda: outline.path().boundingRect().height() > 20)  # both sides of the torus
    qtbot.keyClick(window.canvas, Qt.Key.Key_V)
    assert outline.path().isEmpty()


def test_the_other_brushes_have_keys(window: Window, qtbot: QtBot) -> None:
    for key, tool in ((Qt.Key.Key_X, "random"), (Qt.Key.Key_S, "stamp"), (Qt.Key.Key_E, "erase")):
        qtbot.keyClick(window.canvas, key)
        assert window.controller.model.tool == tool
    qtbot.keyClick(window.canvas, Qt.Key.Key_W)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Q)
    assert window.controller.model.tool == "erase"
