"""The shortcuts page, the help page, the dialogs that ask for numbers, and actions that cannot be done now."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QInputDialog, QSpinBox
from pytestqt.qtbot import QtBot

from aetheria.observe.colour_maps import colour_map
from tests.paths import ROOT
from tests.viewer.fakes import life, live
from viewer.controllers.actions import ACTIONS, MENUS, Needs, why_unavailable
from viewer.controllers.help import MOUSE, PAGE, sections, without_mnemonic
from viewer.controllers.panel_texts import PANEL_TEXTS
from viewer.dialogs.help_pages import ShortcutsPage, strip, wheel
from viewer.panels import PANELS
from viewer.sources.live import LiveSource
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live())
    window.show()
    qtbot.waitUntil(window.isActiveWindow)
    yield window
    window.close()


def source_of(window: Window) -> LiveSource:
    assert isinstance(window.controller.source, LiveSource)
    return window.controller.source


def press(window: Window, name: str) -> None:
    window.actions_by_name[name].trigger()


# -- numbers -----------------------------------------------------------------------------------------------------


def answer(qtbot: QtBot, window: Window, text: str) -> None:
    """Types a number into the dialog that is open, and Return."""
    dialog = window.findChildren(QInputDialog)[-1]
    qtbot.waitUntil(dialog.isVisible)
    box = dialog.findChild(QSpinBox)
    assert box is not None
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def test_so_many_steps_are_taken_whatever_the_step_scale(window: Window, qtbot: QtBot) -> None:
    window.controller.stride_up()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    answer(qtbot, window, "37")
    qtbot.waitUntil(lambda: source_of(window).motor.step_count == 37 and not source_of(window).status().playing)


def test_the_window_lives_on_while_it_asks_and_escape_takes_no_steps(window: Window, qtbot: QtBot) -> None:
    press(window, "toggle_play")
    press(window, "window.dialogs.go_to")
    step = source_of(window).motor.step_count
    qtbot.waitUntil(lambda: source_of(window).motor.step_count > step + 3)
    dialog = window.findChildren(QInputDialog)[-1]
    assert "Step to go to (present step" in dialog.labelText()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert source_of(window).status().playing


def test_going_to_a_step_and_the_number_given_is_offered_again(window: Window, qtbot: QtBot) -> None:
    for step in (12, 5):
        press(window, "window.dialogs.go_to")
        answer(qtbot, window, str(step))
        qtbot.waitUntil(lambda step=step: source_of(window).motor.step_count == step)  # type: ignore[misc]
    press(window, "window.dialogs.go_to")
    assert window.findChildren(QInputDialog)[-1].intValue() == 5


# -- pages -------------------------------------------------------------------------------------------------------


def test_every_action_and_panel_is_on_the_page_of_shortcuts() -> None:
    shown = sections(ACTIONS, [])
    listed = {(line.text, line.keys) for lines in shown.values() for line in lines}
    assert listed == {(without_mnemonic(action.text), action.keys) for action in ACTIONS} | {
        (line.text, line.keys) for line in MOUSE
    }
    assert list(shown)[:-1] == [without_mnemonic(menu) for menu in MENUS if any(action.menu == menu for action in ACTIONS)]


def test_the_page_of_shortcuts_is_searched_as_one_types(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_Question)
    page = window.findChild(ShortcutsPage)
    assert page is not None
    qtbot.waitUntil(page.isActiveWindow)
    qtbot.keyClicks(page.query, "start seed")
    lines = [item.text(0) for menu, found in page._lines if not menu.isHidden() for item, _ in found if not item.isHidden()]
    assert lines == ["New seed"]
    page.query.clear()
    panels = [item.text(0) for _, found in page._lines for item, _ in found if item.text(0).startswith("Panel: ")]
    assert panels == [f"Panel: {dock.text.title}" for dock in PANELS]
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()
    press(window, "window.dialogs.show_shortcuts")  # and once more
    again = window.dialogs._shortcuts
    assert again is not None
    qtbot.waitUntil(again.isVisible)


def test_the_help_page_names_only_keys_that_there_are() -> None:
    keys = {key for action in ACTIONS for key in action.keys} | {panel.key for panel in PANEL_TEXTS.values()}
    named = set(re.findall(r"(?<!\*)\*([^*\s]{1,2}|Space|Ctrl\+[^*]+)\*(?!\*)", PAGE))
    assert len(named) > 12
    assert named <= keys


def test_the_help_page_and_the_document_say_what_each_panel_shows() -> None:
    assert {dock.name for dock in PANELS} == set(PANEL_TEXTS)
    document = (ROOT / "docs" / "viewer.md").read_text("utf-8")
    for panel in PANEL_TEXTS.values():
        assert f"**{panel.title}** (*{panel.key}*): {panel.shows}." in PAGE
        assert f"| {panel.title} | {panel.key} | {panel.shows} |" in document


def test_the_help_page_shows_its_pictures(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_F1)
    page = window.dialogs._help
    assert page is not None
    qtbot.waitUntil(page.isVisible)
    assert "The viewer" in page.text.toPlainText()
    image = page.text.viewport().grab().toImage()
    found = {image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)}
    for name in ("ember", "phase"):
        map_colours = {QColor(*map(int, colour)).name() for colour in colour_map(name)[::8]}
        assert len(found & map_colours) > 10, name


def test_the_wheel_shows_the_colour_of_each_direction() -> None:
    image = wheel("phase", 200, 1.0)
    colours = colour_map("phase").astype(int)
    # The field's low end, -pi, is the first colour; 0 is in the middle of the map.
    for (x, y), index in {(190, 100): 128, (100, 10): 192, (10, 101): 0, (100, 190): 64}.items():
        pixel = image.pixelColor(x, y)
        assert np.abs(np.array([pixel.red(), pixel.green(), pixel.blue()]) - colours[index]).max() <= 6, (x, y)
    assert image.pixelColor(1, 1).alpha() == 0


def test_pictures_are_as_sharp_as_the_screen() -> None:
    image = strip("ember", QSize(100, 10), 2.0)
    assert (image.width(), image.height(), image.devicePixelRatio()) == (200, 20, 2.0)


# -- what cannot be done now -------------------------------------------------------------------------------------


class Recording:
    live, runs = False, True


@pytest.mark.parametrize(
    ("needs", "nothing", "recording", "stepped", "watched"),
    [
        ("nothing", True, True, True, True),
        ("source", False, True, True, True),
        ("run", False, True, True, False),
        ("live", False, False, True, True),
        ("stepped", False, False, True, False),
        ("recording", False, True, False, False),
    ],
)
def test_an_action_can_be_done_with_what_it_needs(
    needs: Needs, nothing: bool, recording: bool, stepped: bool, watched: bool
) -> None:
    ours, theirs = live(), LiveSource(life(), steps_it=False)
    try:
        sources = (None, Recording(), ours, theirs)
        assert [not why_unavailable(needs, s) for s in sources] == [nothing, recording, stepped, watched]  # type: ignore[arg-type]
    finally:
        ours.close()
        theirs.close()


def test_a_run_that_the_users_code_steps_cannot_be_paused_and_says_why(window: Window) -> None:
    motor = life()
    window.controller.open(LiveSource(motor, steps_it=False))
    play, fit = window.actions_by_name["toggle_play"], window.actions_by_name["fit"]
    assert (play.isEnabled(), fit.isEnabled()) == (False, True)
    assert play.toolTip().endswith("Not now: your own code steps this run")
    assert "Not now" not in fit.toolTip()
    assert window.transport.play.toolTip() == play.toolTip()
    assert not window.transport.speed.isEnabled()
    window.controller.open(live())
    assert play.isEnabled()
    assert "Not now" not in play.toolTip()
    assert QApplication.focusWidget() is window.canvas
