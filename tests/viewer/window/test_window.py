"""The real window, offscreen."""

from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import live
from viewer.controllers.actions import ACTIONS, MENUS
from viewer.model.region import Region
from viewer.sources.live import LiveSource
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live())
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def source_of(window: Window) -> LiveSource:
    assert isinstance(window.controller.source, LiveSource)
    return window.controller.source


def test_every_action_has_a_menu_a_tooltip_and_a_shortcut_of_its_own(window: Window) -> None:
    keys = [QKeySequence(key).toString() for action in ACTIONS for key in action.keys]
    keys += [dock.toggleViewAction().shortcut().toString() for dock in window.docks.values()]
    assert len(keys) == len(set(keys))
    for action in ACTIONS:
        made = window.actions_by_name[action.name]
        assert action.menu in MENUS
        assert made.shortcuts()
        assert action.tip in made.toolTip()
        assert callable(window._method(action.name))


def test_space_plays_and_pauses(window: Window, qtbot: QtBot) -> None:
    motor = source_of(window).motor
    qtbot.keyClick(window.canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: motor.step_count > 3)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not source_of(window).status().playing)


def test_the_wheel_zooms_at_the_cursor_and_fewer_cells_are_asked_for(window: Window, qtbot: QtBot) -> None:
    window.canvas.zoom(4.0)
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.region.height < 24)
    window.controller.fit()
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.region == Region(0, 0, 24, 32))


def test_a_minimised_window_asks_for_nothing(window: Window, qtbot: QtBot) -> None:
    window.showMinimized()
    qtbot.waitUntil(lambda: not window.controller.visible)
    window.showNormal()
    qtbot.waitUntil(lambda: window.controller.visible)
