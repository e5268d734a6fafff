"""Text of a file in the window: titles, names and messages are shown as text, with their control characters escaped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from aetheria import Recording
from tests.viewer.recordings import record_life
from viewer.model.messages import Message
from viewer.sources.playback import RecordingSource
from viewer.widgets.plain_text import plain_tooltip
from viewer.window.window import Window

TITLE = "<img src=x>\x1b]0;owned\x07\u202egpj\nok"
SHOWN = "<img src=x>\\x1b]0;owned\\x07\\u202egpj\\nok"


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(RecordingSource(Recording(record_life(tmp_path / "a\x1b[31m.h5", 3, title=TITLE))))
    window.show()
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def texts(widget: QWidget) -> list[str]:
    labels = widget.findChildren(QLabel)
    return [label.text() for label in labels] + [label.toolTip() for label in labels]


def test_the_title_names_and_values_of_a_recording_are_printable(window: Window) -> None:
    assert window.windowTitle() == f"{SHOWN} (a\\x1b[31m.h5) - Aetheria"
    shown = window.panels["recording"].values["Title"]  # type: ignore[attr-defined]
    assert shown.text() == SHOWN
    assert shown.textFormat() == Qt.TextFormat.PlainText
    for text in texts(window):
        assert text.replace("\n", "").isprintable(), repr(text)


@pytest.mark.parametrize("kind", ["note", "warning", "error"])
def test_messages_are_printable(window: Window, kind: str) -> None:
    window.show_message(Message(kind, f"{TITLE}: no such file"))  # type: ignore[arg-type]
    assert any("\\x1b]0;owned\\x07" in text for text in [*texts(window), window.statusBar().currentMessage()])
    for text in texts(window):
        assert text.replace("\n", "").isprintable(), repr(text)


def test_a_tooltip_is_never_html() -> None:
    assert plain_tooltip("a.h5") == "a.h5"
    assert plain_tooltip(TITLE) == "<span>&lt;img src=x&gt;\\x1b]0;owned\\x07\\u202egpj\nok</span>"
