"""The inspector in the real window, offscreen."""

from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from aetheria.motor.motor import Aetheria_Motor
from tests.small_laws import small_law
from tests.viewer.fakes import live
from tests.viewer.mouse import move
from viewer.panels.inspector import InspectorPanel
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    cells = torch.randn(1, 4, 24, 32, generator=torch.Generator().manual_seed(5))
    motor = Aetheria_Motor(small_law("MLP"), (24, 32), 2, "cpu", {"plan": "eager"}, initial=cells)
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(motor))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def panel_of(window: Window) -> InspectorPanel:
    panel = window.panels["inspector"]
    assert isinstance(panel, InspectorPanel)
    return panel


def point_of(window: Window, y: int, x: int) -> QPoint:
    down, right = window.canvas.view_area.pixel_of(y + 0.5, x + 0.5)
    return QPoint(int(right / window.canvas.devicePixelRatioF()), int(down / window.canvas.devicePixelRatioF()))


def move_to(window: Window, y: int, x: int, qtbot: QtBot) -> None:
    move(window.canvas.viewport(), point_of(window, y, x))
    qtbot.waitUntil(lambda: panel_of(window).place.text() == f"y {y}, x {x}")


def test_the_cell_under_the_mouse_is_read_out(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    assert "mouse" in panel.place.text()
    move_to(window, 5, 11, qtbot)
    expected = window.controller.source.motor.cells[0, :, 5, 11]  # type: ignore[union-attr]
    table = panel.model
    shown = [[float(str(table.data(table.index(row, column)))) for column in range(2)] for row in range(2)]
    assert [shown[0][0], shown[1][0], shown[0][1], shown[1][1]] == pytest.approx(expected.tolist(), rel=0.05)
    assert table.headerData(1, Qt.Orientation.Vertical) == "psi_1"
    density = float((expected**2).sum())
    assert f"density: {density:.6g} 1/cell" in panel.shown.text()
    full = str(table.data(table.index(0, 0), Qt.ItemDataRole.ToolTipRole))
    assert float(full.split(": ")[1]) == pytest.approx(float(expected[0]), rel=1e-8)
    assert panel.bars.bars.opts["height"].tolist() == pytest.approx(expected.view(2, 2).square().sum(0).sqrt().tolist())


def test_it_keeps_up_with_the_run(window: Window, qtbot: QtBot) -> None:
    move_to(window, 5, 11, qtbot)
    window.controller.step_many(4)
    qtbot.waitUntil(lambda: panel_of(window).shown.text().startswith("step 4"))


def test_a_key_pins_the_cell_and_marks_it_and_the_button_lets_it_go(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    move_to(window, 5, 11, qtbot)
    window.controller.toggle_grid()
    before = window.canvas.viewport().grab().toImage()
    qtbot.keyClick(window.canvas, Qt.Key.Key_I)
    assert panel.pin.isChecked()
    assert window.actions_by_name["inspect.toggle_pin"].isChecked()
    corner = point_of(window, 5, 11) - (point_of(window, 6, 12) - point_of(window, 5, 11)) / 2
    after = window.canvas.viewport().grab().toImage()
    assert any(
        QColor(before.pixel(corner + QPoint(k, k))) != QColor(after.pixel(corner + QPoint(k, k))) for k in range(-3, 3)
    ), "the cell has a frame"
    move(window.canvas.viewport(), point_of(window, 1, 2))
    window.controller.step_many(1)
    qtbot.waitUntil(lambda: panel.shown.text().startswith("step 1"))
    assert panel.place.text() == "y 5, x 11"
    panel.pin.click()
    qtbot.waitUntil(lambda: panel.place.text() == "y 1, x 2")
    assert not panel.pin.isChecked()


def test_a_hidden_inspector_reads_nothing(window: Window, qtbot: QtBot) -> None:
    window.docks["inspector"].hide()
    assert not window.controller.inspect.wanted
    window.docks["inspector"].show()
    qtbot.waitUntil(lambda: window.controller.inspect.wanted)
