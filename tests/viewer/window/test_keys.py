"""Every key of the table in docs/viewer.md, pressed in the real window, offscreen."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from aetheria.laws import build_law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from tests.small_laws import small_law
from tests.viewer.fakes import life, live
from tests.viewer.recordings import record_life
from viewer.controllers.action import Action
from viewer.controllers.actions import ACTIONS
from viewer.controllers.help import without_mnemonic
from viewer.model.region import Region
from viewer.sources.playback import RecordingSource
from viewer.window.window import Window

DOCUMENT = Path(__file__).parents[3] / "docs" / "viewer.md"


def table() -> dict[str, tuple[str, ...]]:
    """The keys of the table, by the text of the action."""
    lines = DOCUMENT.read_text("utf-8").partition("| action | Aetheria | Golly | napari |\n")[2].splitlines()[1:]
    rows = (line.strip("|").split(" | ") for line in takewhile(lambda line: line.startswith("|"), lines))
    return {row[0].strip(): tuple(re.split(r",\s(?!$)", row[1].strip().replace("&lt;", "<"))) for row in rows}


def action_of(text: str) -> Action:
    found = [action for action in ACTIONS if without_mnemonic(action.text) == text]
    assert len(found) == 1, text
    return found[0]


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(window.isActiveWindow)
    yield window
    window.close()


def show(window: Window, needs: str, folder: Path) -> None:
    """Opens a source for actions with these needs."""
    if needs in ("recording", "file"):
        window.controller.open(RecordingSource(Recording(record_life(folder / f"{needs}.h5"))))
    elif needs == "phase":
        window.controller.open(live(Aetheria_Motor(small_law("MLP"), (24, 32), 2, "cpu", {"plan": "eager"})))
    elif needs == "volume":
        window.controller.open(live(Aetheria_Motor(build_law("Life3D"), (12, 12, 12), 1, "cpu", {"plan": "eager"})))
    else:
        window.controller.open(live(life()))


def test_the_table_has_the_keys_of_each_action() -> None:
    rows = table()
    assert len(rows) > 80
    assert {text: action_of(text).keys for text in rows} == rows


def test_each_key_of_the_table_does_its_action_and_no_other(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    pressed: list[str] = []
    for name, made in window.actions_by_name.items():
        made.triggered.disconnect()
        made.triggered.connect(lambda _checked=False, name=name: pressed.append(name))
    by_needs: dict[str, list[Action]] = {}
    for text in table():
        action = action_of(text)
        by_needs.setdefault(action.needs, []).append(action)
    for needs, actions in by_needs.items():
        show(window, needs, tmp_path)
        window.canvas.setFocus()
        for action in actions:
            for key in action.keys:
                pressed.clear()
                QTest.keySequence(window.canvas, QKeySequence(key))
                assert pressed == [action.name], key


def test_full_screen_zoom_and_fit_to_the_selection(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    show(window, "live", tmp_path)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    qtbot.keyClick(window.canvas, Qt.Key.Key_F11)
    qtbot.waitUntil(window.isFullScreen)
    qtbot.keyClick(window.canvas, Qt.Key.Key_F11)
    qtbot.waitUntil(lambda: not window.isFullScreen())
    scale = window.canvas.view_area.scale
    qtbot.keyClick(window.canvas, Qt.Key.Key_BracketRight, Qt.KeyboardModifier.ControlModifier)
    assert window.canvas.view_area.scale == pytest.approx(2 * scale)
    qtbot.keyClick(window.canvas, Qt.Key.Key_BracketLeft, Qt.KeyboardModifier.ControlModifier)
    assert window.canvas.view_area.scale == pytest.approx(scale)
    window.controller.selection.choose(Region(4, 6, 3, 5))
    held = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(window.canvas, Qt.Key.Key_F, held)
    seen = window.canvas.view_area.region()
    assert Region(4, 6, 3, 5).shared(seen) == Region(4, 6, 3, 5)
    assert seen.height < 24
