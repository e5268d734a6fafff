"""The window's frame: focus, names for those who hear it, where panels are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QCheckBox, QLabel, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from aetheria.recording import Recording
from tests.viewer.fakes import life, live
from tests.viewer.recordings import record_life
from viewer.panels.recording_panel import RecordingPanel
from viewer.sources.playback import RecordingSource
from viewer.widgets import theme
from viewer.widgets.icons import program_icon
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live())
    window.show()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.waitUntil(window.canvas.hasFocus)
    yield window
    window.close()


def reached_by_tab(window: Window, qtbot: QtBot, key: Qt.Key = Qt.Key.Key_Tab) -> list[QWidget]:
    """Every widget that Tab comes by, from the canvas round to the canvas."""
    found: list[QWidget] = []
    widget: QWidget = window.canvas
    while widget not in found:
        found.append(widget)
        qtbot.keyClick(widget, key)
        now = QApplication.focusWidget()
        assert now is not None
        widget = now
        assert len(found) < 200
    return found


def test_tab_comes_by_everything_that_can_be_used_and_each_has_a_name(window: Window, qtbot: QtBot) -> None:
    for dock in window.docks.values():
        dock.show()
    found = reached_by_tab(window, qtbot)
    assert window.canvas in found
    assert window.transport.play in found
    nameless = [
        widget
        for widget in found
        if not widget.accessibleName() and not (isinstance(widget, QAbstractButton) and widget.text())
        # frames around others that only scroll, and tab bars that Qt makes when panels are put over each other
        if not isinstance(widget, QAbstractScrollArea | QTabBar)
    ]
    assert nameless == []


@pytest.mark.parametrize("key", [Qt.Key.Key_Tab, Qt.Key.Key_Backtab])
def test_tab_passes_over_panels_that_are_behind_others(window: Window, qtbot: QtBot, key: Qt.Key) -> None:
    window.resize(1280, 1200)  # so that no panel scrolls
    window.docks["tools"].raise_()
    found = reached_by_tab(window, qtbot, key)
    places = {widget.accessibleName(): QRect(widget.mapTo(window, QPoint()), widget.size()) for widget in found}
    assert [name for name, place in places.items() if not window.rect().intersects(place)] == []
    assert any(window.panels["tools"].isAncestorOf(widget) for widget in found)
    window.docks["law"].raise_()
    assert any(window.panels["law"].isAncestorOf(widget) for widget in reached_by_tab(window, qtbot, key))


def test_a_key_of_what_cannot_be_done_now_says_why(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_W)
    assert window.statusBar().currentMessage() == "Vortex: not now, only laws of complex amplitudes have a phase"
    assert window.controller.model.tool == "pan"


def test_a_click_leaves_the_keyboard_with_the_cells_and_tab_takes_it_away(window: Window, qtbot: QtBot) -> None:
    play = window.transport.play
    for _ in range(2):
        qtbot.mouseClick(play, Qt.MouseButton.LeftButton)
        assert QApplication.focusWidget() is window.canvas
    source = window.controller.source
    assert source is not None
    assert not source.status().playing
    found = reached_by_tab(window, qtbot)
    assert play in found
    play.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(play, Qt.Key.Key_Space)
    assert source.status().playing  # pressed once, not by the shortcut as well
    qtbot.keyClick(play, Qt.Key.Key_Escape)
    assert QApplication.focusWidget() is window.canvas


def test_a_click_into_a_field_to_type_in_takes_the_keyboard_there(window: Window, qtbot: QtBot) -> None:
    low = window.panels["view"].low  # type: ignore[attr-defined]
    qtbot.mouseClick(low, Qt.MouseButton.LeftButton)
    assert QApplication.focusWidget() is low


def test_focus_is_seen_on_a_button(window: Window, qtbot: QtBot) -> None:
    accent = theme.colour(window.controller.model.theme, "accent").name()

    def colours(widget: QWidget) -> set[str]:
        image = widget.grab().toImage()
        return {image.pixelColor(x, image.height() // 2).name() for x in range(image.width())}

    step = window.transport.step
    assert accent not in colours(step)
    step.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(lambda: accent in colours(step))


def test_what_is_below_lies_under_the_cells_and_the_panels_at_the_right_reach_down(window: Window, qtbot: QtBot) -> None:
    plots = window.docks["plots"]
    plots.show()
    qtbot.waitUntil(lambda: plots.height() > 0 and plots.isVisible())
    right = window.docks["view"].mapTo(window, QPoint(0, 0)).x()
    qtbot.waitUntil(lambda: plots.mapTo(window, QPoint(plots.width(), 0)).x() <= right)


def test_the_play_button_is_wide_enough_for_its_words_in_either_theme(window: Window) -> None:
    play = window.transport.play
    for _ in range(2):
        for words in ("Play", "Pause"):
            play.setText(words)
            assert play.sizeHint().width() <= play.width(), words
        window.controller.toggle_theme()


def test_the_program_has_a_sign(window: Window) -> None:
    image = program_icon().pixmap(64, 64).toImage()
    assert len({image.pixelColor(x, y).name() for x in range(64) for y in range(64)}) == 2
    assert not window.windowIcon().isNull()


def test_panels_can_be_closed_by_their_own_button(window: Window, qtbot: QtBot) -> None:
    dock = window.docks["view"]
    title = dock.titleBarWidget()
    assert title.findChild(QLabel).text() == "View"  # type: ignore[union-attr]
    close = title.findChild(QAbstractButton)
    assert close is not None
    assert close.accessibleName() == "Close View"
    qtbot.mouseClick(close, Qt.MouseButton.LeftButton)
    assert not dock.isVisible()
    assert not dock.toggleViewAction().isChecked()
    qtbot.keyClick(window.canvas, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert dock.isVisible()


def test_boxes_to_tick_keep_their_mark_in_the_dark(window: Window, qtbot: QtBot) -> None:
    """A style sheet that touches them would lose it."""
    box = QCheckBox("Mass")
    qtbot.addWidget(box)
    empty = box.grab().toImage()
    box.setChecked(True)
    assert box.grab().toImage() != empty


def test_the_first_window_leaves_room_for_its_frame_and_names_all_tabs(window: Window) -> None:
    room = window.screen().availableGeometry()
    assert window.height() < room.height()
    assert window.width() < room.width()
    bars = [bar for bar in window.findChildren(QTabBar) if bar.count() == 4 and bar.isVisible()]
    assert len(bars) == 1
    last = bars[0].tabRect(3)
    assert bars[0].elideMode() == Qt.TextElideMode.ElideNone
    assert last.right() <= bars[0].width(), "no tab is cut off, or reached by scrolling only"


def tab_bars(window: Window) -> list[tuple[list[str], bool]]:
    """The tab bars in sight, or reached by Tab: their tabs, and whether they lie in the window."""
    bars = [bar for bar in window.findChildren(QTabBar) if bar.isVisible()]
    reached = [bar for bar in bars if bar.count() or bar.focusPolicy() != Qt.FocusPolicy.NoFocus]
    return [([bar.tabText(k) for k in range(bar.count())], window.rect().contains(bar.geometry())) for bar in reached]


def test_each_place_of_several_panels_has_one_tab_bar_whatever_layout_was_restored(window: Window, qtbot: QtBot) -> None:
    column = (["Tools", "Law", "Cell", "Recording"], True)
    qtbot.waitUntil(lambda: tab_bars(window) == [column])
    window.dock_layout.reset()
    qtbot.waitUntil(lambda: tab_bars(window) == [column])
    window.docks["plots"].show()
    window.docks["spectrum"].show()
    qtbot.waitUntil(lambda: len(tab_bars(window)) == 2 and all(inside for _, inside in tab_bars(window)))
    assert column in tab_bars(window)
    window.resize(760, 620)
    window.dock_layout.reset()
    qtbot.waitUntil(lambda: tab_bars(window) == [column])
    window.controller.close()
    window.pages.show_gallery()
    qtbot.waitUntil(lambda: tab_bars(window) == [])
    window.controller.open(live(life()))
    qtbot.waitUntil(lambda: tab_bars(window) == [column])


def test_a_recording_brings_its_panel_to_the_front_and_a_run_the_tools(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    def in_front(name: str) -> bool:
        return not window.docks[name].visibleRegion().isEmpty()

    qtbot.waitUntil(lambda: in_front("tools"))
    window.controller.open(RecordingSource(Recording(record_life(tmp_path / "x.h5"))))
    qtbot.waitUntil(lambda: in_front("recording") and not in_front("tools"))
    panel = window.panels["recording"]
    assert isinstance(panel, RecordingPanel)
    assert panel.values["File"].text() == "x.h5"
    assert panel.values["File"].toolTip() == str(tmp_path / "x.h5")
    window.docks["law"].raise_()
    window.controller.open(RecordingSource(Recording(record_life(tmp_path / "y.h5"))))
    qtbot.waitUntil(lambda: in_front("law"))
    window.controller.open(live(life()))
    qtbot.waitUntil(lambda: in_front("tools"))
    window.docks["recording"].raise_()  # as in a layout that was stored with a recording
    qtbot.waitUntil(lambda: in_front("recording"))
    window.controller.open(live(life()))
    qtbot.waitUntil(lambda: in_front("tools"))
