"""Selecting, copying and pasting in the real window, offscreen, with mouse, keys and the clipboard.

On a motor of this process, and on one that a server steps: the same keys leave the same cells.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from aetheria import Lenia
from aetheria.files.patterns import read_pattern
from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import life, live
from tests.viewer.served import served
from viewer.model.region import Region
from viewer.sources.opening import open_any
from viewer.widgets import file_dialogs
from viewer.window.window import Window

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
GLIDER = "#C from the web\nx = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"


class EditedWindow(Window):
    """A window, and the motor whose cells it edits.

    Attributes:
        motor: the one that is open.
        elsewhere: it is stepped by a server.
        servers: that run.
    """

    def __init__(self, elsewhere: bool) -> None:
        super().__init__()
        self.elsewhere = elsewhere
        self.servers = contextlib.ExitStack()

    def edit(self, qtbot: QtBot, motor: Aetheria_Motor) -> None:
        self.motor = motor
        if self.elsewhere:
            server, _ = self.servers.enter_context(served(motor))
            self.controller.open(open_any(server.url))
        else:
            self.controller.open(live(motor))
        qtbot.waitUntil(lambda: self.controller.frame is not None and bool(self.controller.tools.stamps), timeout=20_000)


@pytest.fixture(params=["own", "served"])
def window(qtbot: QtBot, request: pytest.FixtureRequest) -> Iterator[EditedWindow]:
    window = EditedWindow(request.param == "served")
    qtbot.addWidget(window)
    with window.servers:
        window.edit(qtbot, life(initial=torch.zeros(1, 24, 32)))
        window.show()
        qtbot.waitUntil(window.isActiveWindow)
        yield window
        window.close()


def on_screen(window: Window, y: float, x: float) -> QPoint:
    return window.canvas.mapFromScene(window.canvas.box.mapViewToScene(QPointF(x, y)))


def stroke(window: Window, key: Qt.Key, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, key)
    drag(window, (8.5, 4.5), (8.5, 12.5))


def drag(window: Window, start: tuple[float, float], end: tuple[float, float]) -> None:
    viewport = window.canvas.viewport()
    QTest.mousePress(viewport, LEFT, pos=on_screen(window, *start))
    for t in np.linspace(0.2, 1, 5):
        QTest.mouseMove(viewport, on_screen(window, *((1 - t) * np.array(start) + t * np.array(end))))
    QTest.mouseRelease(viewport, LEFT, pos=on_screen(window, *end))


def live_cells(window: EditedWindow) -> list[list[int]]:
    return np.argwhere(window.motor.cells[0, 0].numpy() > 0.5).tolist()


def glider_at(y: int, x: int) -> list[list[int]]:
    return [[y, x + 1], [y + 1, x + 2], [y + 2, x], [y + 2, x + 1], [y + 2, x + 2]]


def paste_at(window: EditedWindow, qtbot: QtBot, y: float, x: float) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(lambda: window.controller.model.tool == "paste")
    QTest.mouseClick(window.canvas.viewport(), LEFT, pos=on_screen(window, y, x))


def test_text_from_the_web_is_pasted_under_the_mouse_cut_pasted_again_and_undone(window: EditedWindow, qtbot: QtBot) -> None:
    canvas, model = window.canvas, window.controller.model
    QGuiApplication.clipboard().setText(GLIDER)
    paste_at(window, qtbot, 6.5, 9.5)
    qtbot.waitUntil(lambda: live_cells(window) == glider_at(5, 8))
    assert model.tool == "pan"
    qtbot.keyClick(canvas, Qt.Key.Key_L)
    drag(window, (5.5, 8.5), (7.5, 10.5))
    assert model.selection == Region(5, 8, 3, 3)
    assert window.selection_overlay.area.isVisible()
    assert window.selection_overlay.area.rect().getRect() == (8, 5, 3, 3)
    QGuiApplication.clipboard().clear()
    qtbot.keyClick(canvas, Qt.Key.Key_X, CTRL)
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n")
    assert live_cells(window) == []
    paste_at(window, qtbot, 15.5, 20.5)
    qtbot.waitUntil(lambda: live_cells(window) == glider_at(14, 19))
    assert model.tool == "select"
    for wanted in ([], glider_at(5, 8), []):
        qtbot.keyClick(canvas, Qt.Key.Key_Z, CTRL)
        qtbot.waitUntil(lambda wanted=wanted: live_cells(window) == wanted)  # type: ignore[misc]


def test_the_ghost_follows_the_mouse_turns_with_the_keys_and_escape_puts_it_away(window: EditedWindow, qtbot: QtBot) -> None:
    overlay, canvas = window.selection_overlay, window.canvas
    QGuiApplication.clipboard().setText("5o!")
    assert not overlay.ghost.isVisible()
    qtbot.keyClick(canvas, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(lambda: window.controller.model.tool == "paste")
    QTest.mouseMove(canvas.viewport(), on_screen(window, 4.5, 4.5))  # the test before may have left it at the next place
    QTest.mouseMove(canvas.viewport(), on_screen(window, 10.5, 12.5))
    qtbot.waitUntil(lambda: overlay.frame.isVisible() and overlay.frame.rect().getRect() == (10, 10, 5, 1))
    assert overlay.ghost.pixmap().toImage().pixelColor(0, 0).alpha() > 100
    qtbot.keyClick(canvas, Qt.Key.Key_Greater)
    assert overlay.frame.rect().getRect() == (12, 8, 1, 5)
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert not overlay.ghost.isVisible()
    assert not overlay.frame.isVisible()
    assert window.controller.model.tool == "pan"
    assert live_cells(window) == []


def test_the_keys_of_the_edits(window: EditedWindow, qtbot: QtBot) -> None:
    canvas, selection = window.canvas, window.controller.selection
    QGuiApplication.clipboard().setText(GLIDER)

    def press(key: Qt.Key, held: Qt.KeyboardModifier, wanted: list[list[int]]) -> None:
        qtbot.keyClick(canvas, key, held)
        qtbot.waitUntil(lambda: live_cells(window) == wanted)

    none = Qt.KeyboardModifier.NoModifier
    selection.choose(Region(5, 8, 3, 3))
    press(Qt.Key.Key_V, SHIFT, glider_at(5, 8))
    press(Qt.Key.Key_H, none, [[5, 9], [6, 8], [7, 8], [7, 9], [7, 10]])
    press(Qt.Key.Key_H, none, glider_at(5, 8))
    press(Qt.Key.Key_Y, none, [[5, 8], [5, 9], [5, 10], [6, 10], [7, 9]])
    press(Qt.Key.Key_Y, none, glider_at(5, 8))
    press(Qt.Key.Key_Greater, none, [[5, 8], [6, 8], [6, 10], [7, 8], [7, 9]])
    press(Qt.Key.Key_Less, none, glider_at(5, 8))
    press(Qt.Key.Key_Space, CTRL, [[6, 8], [6, 10], [7, 9], [7, 10]])
    press(Qt.Key.Key_Z, none, glider_at(5, 8))
    selection.choose(Region(0, 0, 24, 9))
    press(Qt.Key.Key_Space, SHIFT, [[6, 10], [7, 8], [7, 9], [7, 10], [8, 9]])
    press(Qt.Key.Key_Z, none, glider_at(5, 8))
    selection.choose(Region(0, 0, 7, 32))
    press(Qt.Key.Key_Delete, SHIFT, [[5, 9], [6, 10]])
    press(Qt.Key.Key_Delete, none, [])
    window.controller.model.change_brush(density=1.0)
    press(Qt.Key.Key_X, CTRL | SHIFT, [[y, x] for y in range(7) for x in range(32)])
    qtbot.keyClick(canvas, Qt.Key.Key_A, CTRL)
    assert window.controller.model.selection == Region(0, 0, 24, 32)
    qtbot.keyClick(canvas, Qt.Key.Key_K, CTRL)
    assert not window.selection_overlay.area.isVisible()
    assert window.controller.paste.mode == "or"
    qtbot.keyClick(canvas, Qt.Key.Key_M, SHIFT)
    assert window.controller.paste.mode == "xor"


def test_real_cells_go_through_the_clipboard_as_an_array(window: EditedWindow, qtbot: QtBot) -> None:
    motor = Aetheria_Motor(Lenia(R=5), (24, 32), 1, "cpu", {"plan": "eager"}, initial="noise")
    window.edit(qtbot, motor)
    before = motor.cells[0].numpy()
    window.controller.paste.mode = "copy"
    window.controller.selection.choose(Region(2, 3, 4, 5))
    QGuiApplication.clipboard().clear()
    qtbot.keyClick(window.canvas, Qt.Key.Key_C, CTRL)
    qtbot.waitUntil(lambda: "Copied 4 x 5 cells as an array" in window.statusBar().currentMessage())
    window.controller.selection.choose(Region(12, 20, 1, 1))
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, SHIFT)
    qtbot.waitUntil(lambda: np.array_equal(motor.cells[0, :, 12:16, 20:25].numpy(), before[:, 2:6, 3:8]))


def test_a_copied_file_is_pasted_and_text_that_is_no_pattern_is_refused(
    window: EditedWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "g.rle").write_text(GLIDER)
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(tmp_path / "g.rle"))])
    QGuiApplication.clipboard().setMimeData(content)
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, SHIFT)
    qtbot.waitUntil(lambda: live_cells(window) == glider_at(0, 0))
    QGuiApplication.clipboard().setText("Hello, world")
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(window.banner.isVisible)
    assert "the clipboard: " in window.banner.text.text()
    assert window.controller.model.tool == "pan"


def test_the_tools_panel_has_the_tool_and_the_density(window: EditedWindow, qtbot: QtBot) -> None:
    panel = window.panels["tools"]
    panel.buttons["select"].click()  # type: ignore[attr-defined]
    assert window.controller.model.tool == "select"
    assert panel.density.isVisible()  # type: ignore[attr-defined]
    assert not panel.size_field.isVisible()  # type: ignore[attr-defined]
    window.controller.model.change_brush(density=0.25)
    QGuiApplication.clipboard().setText("o!")
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(lambda: window.controller.model.tool == "paste")
    assert panel.buttons["select"].isChecked()  # type: ignore[attr-defined]
    panel.buttons["pan"].click()  # type: ignore[attr-defined]
    assert window.controller.paste.clipping is None


def test_a_selection_is_saved_from_the_menu(
    window: EditedWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if window.elsewhere:
        assert "a server steps this run" in window.actions_by_name["window.file_menu.save_selection"].toolTip()
        return
    monkeypatch.setattr(file_dialogs, "_folder", tmp_path)
    QGuiApplication.clipboard().setText(GLIDER)
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, SHIFT)
    qtbot.waitUntil(lambda: live_cells(window) == glider_at(0, 0))
    window.controller.selection.choose(Region(0, 0, 3, 3))
    qtbot.keyClick(window.canvas, Qt.Key.Key_S, CTRL | Qt.KeyboardModifier.AltModifier)
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    assert [Path(name).name for name in dialog.selectedFiles()] == ["life-000000-selection.rle"]
    dialog.selectFile(str(tmp_path / "glider.rle"))
    dialog.accept()
    qtbot.waitUntil((tmp_path / "glider.rle").exists)
    assert read_pattern(tmp_path / "glider.rle").cells.tolist() == [[0, 1, 0], [0, 0, 1], [1, 1, 1]]


def test_strokes_of_the_mouse_paint_and_erase_and_are_undone(window: EditedWindow, qtbot: QtBot) -> None:
    window.controller.model.change_brush(size=1)
    row = [[8, x] for x in range(4, 13)]
    stroke(window, Qt.Key.Key_D, qtbot)
    qtbot.waitUntil(lambda: live_cells(window) == row)
    stroke(window, Qt.Key.Key_E, qtbot)
    qtbot.waitUntil(lambda: live_cells(window) == [])
    for held, wanted in ((CTRL, row), (CTRL, []), (CTRL | SHIFT, row), (CTRL | SHIFT, [])):
        qtbot.keyClick(window.canvas, Qt.Key.Key_Z, held)
        qtbot.waitUntil(lambda wanted=wanted: live_cells(window) == wanted)  # type: ignore[misc]
