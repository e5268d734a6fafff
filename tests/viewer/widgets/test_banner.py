"""Messages over the canvas, and colours that can be read."""

from collections.abc import Iterator
from itertools import product

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from pytestqt.exceptions import capture_exceptions
from pytestqt.qtbot import QtBot

from viewer.model.messages import Message
from viewer.widgets.theme import COLOURS
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(window.isActiveWindow)
    yield window
    window.close()


def test_an_error_stays_in_view_until_it_is_dismissed_and_says_its_kind_in_words(window: Window, qtbot: QtBot) -> None:
    window.show_message(Message("warning", "the plan is slower"))
    window.show_message(Message("error", "[grid] hieght: unknown key"))
    banner = window.banner
    assert banner.isVisible()
    assert (banner.kind.text(), banner.text.text()) == ("Error", "[grid] hieght: unknown key")
    assert banner.count.text() == "1 of 2"
    assert banner.width() == window.stack.width()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert (banner.kind.text(), banner.text.text(), banner.count.text()) == ("Warning", "the plan is slower", "")
    qtbot.mouseClick(banner.button, Qt.MouseButton.LeftButton)
    assert not banner.isVisible()


def test_the_text_of_a_message_can_be_selected_and_is_never_read_as_html(window: Window) -> None:
    window.show_message(Message("error", "<b>bold</b>: no such file"))
    text = window.banner.text
    text.setSelection(0, 3)
    assert text.selectedText() == "<b>"


def test_a_note_goes_to_the_status_bar(window: Window) -> None:
    window.show_message(Message("note", "saved as run.png"))
    assert window.statusBar().currentMessage() == "saved as run.png"
    assert not window.banner.isVisible()


def test_a_long_message_is_as_high_as_it_needs_and_grows_no_wider_than_the_window(window: Window) -> None:
    window.show_message(Message("error", "word " * 10))
    low = window.banner.height()
    window.show_message(Message("error", "word " * 400))
    assert window.banner.height() > 2 * low
    assert window.banner.geometry().right() < window.stack.width()


def test_an_error_in_a_slot_is_told_and_the_window_lives_on(qtbot: QtBot) -> None:
    def breaks() -> None:
        raise ZeroDivisionError("division by zero")

    with capture_exceptions() as caught:
        window = Window()
        qtbot.addWidget(window)
        window.show()
        window.actions_by_name["toggle_theme"].triggered.connect(breaks)
        theme = window.controller.model.theme
        window.actions_by_name["toggle_theme"].trigger()
        assert "ZeroDivisionError: division by zero" in window.banner.text.text()
        assert window.controller.model.theme != theme
        window.close()
    assert len(caught) == 1  # whoever listened before still hears of it


def contrast(one: str, other: str) -> float:
    """The ratio of luminances of WCAG 2.1."""

    def luminance(name: str) -> float:
        parts = [QColor(name).redF(), QColor(name).greenF(), QColor(name).blueF()]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_of_black_to_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_and_lines_stand_out_from_what_is_behind_them(theme: str) -> None:
    colours = COLOURS[theme]  # type: ignore[index]
    pairs = [*product(("text", "dim", "accent"), ("window", "base", "button")), ("text", "chosen"), ("on_accent", "accent")]
    pairs += [("on_warning", "warning"), ("on_error", "error")]
    for front, behind in pairs:
        assert contrast(colours[front], colours[behind]) >= 4.5, (front, behind)
    for behind in ("window", "base", "button"):
        assert contrast(colours["edge"], colours[behind]) >= 3, behind
