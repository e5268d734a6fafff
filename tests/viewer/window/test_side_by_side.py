"""Two pictures side by side, in the real window offscreen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from tests.viewer.recordings import record_life, record_nca
from viewer.controllers.controller import Controller
from viewer.sources.opening import open_recording
from viewer.sources.playback import RecordingSource
from viewer.widgets.canvas import Canvas
from viewer.window.second_view import SecondView
from viewer.window.window import Window

BOTH = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(open_recording(record_life(tmp_path / "run.h5", steps=30)))
    window.show()
    window.resize(1280, 800)
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def compared(window: Window, qtbot: QtBot, path: Path | None = None) -> tuple[SecondView, Controller]:
    """The second picture, once it is painted: of a file, or of the same recording by its key."""
    if path is None:
        qtbot.keyClick(window.canvas, Qt.Key.Key_D, BOTH)
    else:
        window.side_by_side.open_second(path)
    qtbot.waitUntil(lambda: window.side_by_side.second_view is not None and window.side_by_side.compare.second is not None)
    pane, second = window.side_by_side.second_view, window.side_by_side.compare.second
    assert pane is not None
    assert second is not None
    qtbot.waitUntil(lambda: second.frame is not None)
    return pane, second


def wheel(canvas: Canvas, turned: int) -> None:
    """Turns the wheel over the canvas, a third into it."""
    place = QPointF(canvas.width() / 3, canvas.height() / 3)
    event = QWheelEvent(
        place,
        canvas.mapToGlobal(place),
        QPoint(),
        QPoint(0, turned),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas.viewport(), event)


def same_part(first: Canvas, second: Canvas) -> bool:
    ratio = second.grid[0] / first.grid[0]
    a, b = first.view_area, second.view_area
    return (a.scale, a.y, a.x) == pytest.approx((b.scale * ratio, b.y / ratio, b.x / ratio))


def test_the_same_recording_shows_two_fields_side_by_side(window: Window, qtbot: QtBot) -> None:
    pane, _second = compared(window, qtbot)
    assert pane.isVisible()
    assert abs(pane.width() - window.canvas.width()) < 40
    assert (pane.field.currentText(), pane.levels.currentText()) == ("energy", "automatic")
    assert pane.heading.title.toolTip() == "step 0, run.h5"
    assert window.side_by_side.heading.title.toolTip() == "step 0, channel_0, run.h5"
    assert pane.canvas.mapTo(window, QPoint()).y() == window.canvas.mapTo(window, QPoint()).y()


def test_wheel_and_keys_move_both_whichever_is_under_the_mouse(window: Window, qtbot: QtBot) -> None:
    pane, second = compared(window, qtbot)
    wheel(window.canvas, 600)
    assert same_part(window.canvas, pane.canvas)
    scale = window.canvas.view_area.scale
    wheel(pane.canvas, 480)
    assert window.canvas.view_area.scale > scale
    assert same_part(window.canvas, pane.canvas)
    window.canvas.pan_right()
    assert same_part(window.canvas, pane.canvas)
    qtbot.waitUntil(lambda: second.frame is not None and second.frame.region == second.model.region)
    window.controller.fit()
    window.resize(1000, 700)
    qtbot.waitUntil(lambda: same_part(window.canvas, pane.canvas))


def test_a_coarser_recording_shows_the_same_part_of_the_grid(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    window.controller.zoom_in()
    viewport = window.canvas.view_area
    pane, _ = compared(window, qtbot, record_life(tmp_path / "coarse.h5", steps=30, size=(6, 10)))
    assert pane.canvas.grid == (6, 10)
    assert window.canvas.view_area.scale == viewport.scale
    assert same_part(window.canvas, pane.canvas)


def test_choices_of_the_second_are_its_own(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    pane, second = compared(window, qtbot, record_nca(tmp_path / "nca.h5", batch=2))
    assert pane.universe.isVisible()
    pane.universe.setValue(1)
    qtbot.waitUntil(lambda: second.frame is not None and second.frame.universe == 1)
    pane.field.setCurrentText("channel_3")
    pane.field.textActivated.emit(pane.field.currentText())
    qtbot.waitUntil(lambda: second.frame is not None and second.frame.field == "channel_3")
    for name, mode in (("percentile", "percentile"), ("locked", "locked"), ("automatic", "auto")):
        pane.levels.setCurrentText(name)
        pane.levels.activated.emit(pane.levels.currentIndex())
        assert second.model.view_settings is not None
        assert second.model.view_settings.level_mode == mode
        assert pane.levels.currentText() == name


def test_levels_as_on_the_left_follow_the_left(window: Window, qtbot: QtBot) -> None:
    pane, second = compared(window, qtbot)
    pane.levels.setCurrentText("as left")
    pane.levels.activated.emit(pane.levels.currentIndex())
    window.controller.levels_locked((0.0, 42.0))
    qtbot.waitUntil(lambda: second.frame is not None and second.frame.levels == (0.0, 42.0))
    assert pane.levels.currentText() == "as left"


def test_the_cell_under_the_mouse_is_framed_in_the_second(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    pane, _ = compared(window, qtbot, record_life(tmp_path / "coarse.h5", steps=30, size=(6, 10)))
    window.canvas.hovered.emit(7, 15)
    assert pane.canvas._marked == (3, 7)
    window.canvas.hovered.emit(-1, -1)
    assert pane.canvas._marked is None


@pytest.mark.parametrize("by", ["button", "key", "source"])
def test_the_second_goes_away(window: Window, qtbot: QtBot, by: str) -> None:
    pane, _ = compared(window, qtbot)
    if by == "button":
        qtbot.mouseClick(pane.away, Qt.MouseButton.LeftButton)
    elif by == "key":
        qtbot.keyClick(window.canvas, Qt.Key.Key_W, BOTH)
    else:
        window.controller.close()
    assert window.side_by_side.compare.second is None
    assert window.side_by_side.second_view is None
    assert not window.side_by_side.heading.isVisible()
    qtbot.waitUntil(lambda: window.side_by_side.count() == 1)


def test_another_takes_its_place(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    first, _ = compared(window, qtbot)
    path = record_life(tmp_path / "other.h5", steps=30)
    window.side_by_side.open_second(path)
    qtbot.waitUntil(lambda: window.side_by_side.second_view is not None and window.side_by_side.second_view is not first)
    qtbot.waitUntil(lambda: window.side_by_side.count() == 2)


def test_which_to_compare_with_is_asked_without_stopping_the_window(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    path = record_life(tmp_path / "other.h5", steps=30)
    qtbot.keyClick(window.canvas, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    dialog = window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    dialog.fileSelected.emit(str(path))
    dialog.close()
    qtbot.waitUntil(lambda: window.side_by_side.second_view is not None)


def test_each_part_of_the_second_has_a_name_and_can_be_reached(window: Window, qtbot: QtBot) -> None:
    pane, _ = compared(window, qtbot)
    for widget in (pane.field, pane.levels, pane.away, pane.canvas):
        assert widget.accessibleName()
        widget.setFocus()
        assert QApplication.focusWidget() is widget


def test_the_difference_is_the_left_cells_minus_the_right_ones(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    path = record_life(tmp_path / "late.h5", steps=30, every=4)
    pane, second = compared(window, qtbot, path)
    window.controller.go_to(10)
    qtbot.keyClick(window.canvas, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    assert pane.levels.currentText() == "difference"
    assert second.model.view_settings is not None
    assert second.model.view_settings.field == "channel_0"
    qtbot.waitUntil(lambda: pane.heading.title.toolTip().startswith("largest 1, mean size"))
    assert pane.heading.title.toolTip().endswith("left minus right at step 8")
    first = window.controller.source
    assert isinstance(first, RecordingSource)
    assert isinstance(second.source, RecordingSource)
    left, right = first.recording.read("channel_0", 10, 0)[0], second.source.recording.read("channel_0", 2, 0)[0]
    shown = pane.canvas.grid_item.frame
    assert shown is not None
    assert np.array_equal(shown.pixels, np.round((left.astype(float) - right + 1) * 127.5))
    window.controller.go_to(8)
    qtbot.waitUntil(lambda: "largest 0," in pane.heading.title.toolTip())
    window.side_by_side.toggle_difference()
    assert pane.levels.currentText() == "as left"
    assert pane.heading.title.toolTip() == "step 8, late.h5"


def test_a_difference_needs_a_second_view(window: Window, qtbot: QtBot) -> None:
    window.side_by_side.toggle_difference()
    assert window.statusBar().currentMessage() == "There is no second view to compare with (Ctrl+D opens one)."
