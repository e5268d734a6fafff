"""The bar at the bottom and the strip under the cells, offscreen."""

from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStatusBar
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import live
from viewer.model.model import SPEEDS
from viewer.model.status import Status
from viewer.sources.live import LiveSource
from viewer.widgets.status_strip import ITEMS, StatusStrip
from viewer.window.window import Window

BUSY = Status(
    step=1_234_567,
    playing=True,
    steps_per_s=45_678,
    cells_per_s=4.7e9,
    frames_per_s=59.7,
    dropped=12,
    device="cuda:0",
    plan="graphed",
    plan_reason="the fastest of three that were tried",
    memory_mb=1536,
    bytes_per_s=2.5e6,
)


@pytest.fixture
def bar(qtbot: QtBot) -> QStatusBar:
    bar = QStatusBar()
    qtbot.addWidget(bar)
    bar.resize(1600, 30)
    bar.show()
    return bar


@pytest.fixture
def strip(bar: QStatusBar, qtbot: QtBot) -> StatusStrip:
    strip = StatusStrip(bar)
    qtbot.waitUntil(lambda: strip.width() > 1000)
    return strip


def texts(strip: StatusStrip) -> list[str]:
    return [strip.labels[item.name].text() for item in ITEMS if strip.labels[item.name].isVisible()]


def test_the_bar_says_how_it_goes_in_words_and_prefixes(strip: StatusStrip) -> None:
    strip.show_status(BUSY)
    assert texts(strip) == [
        "playing",
        "step 1,234,567",
        "45.7 ksteps/s",
        "4.70 Gcells/s",
        "60 frames/s, 12 dropped",
        "cuda:0 \N{MIDDLE DOT} graphed",
        "1.50 GiB",
        "2.38 MiB/s transferred",
    ]
    assert strip.labels["Device and plan"].toolTip() == "the fastest of three that were tried"
    strip.show_status(Status(step=0, playing=False, recording="recording run.h5, 12 frames"))
    assert texts(strip)[0] == "paused"
    assert texts(strip)[-1] == "recording run.h5, 12 frames"


def test_numbers_that_change_do_not_move_what_follows(strip: StatusStrip, qtbot: QtBot) -> None:
    strip.show_status(BUSY)
    qtbot.wait(1)
    places = [strip.labels[item.name].x() for item in ITEMS[:6]]
    strip.show_status(Status(step=3, playing=False, steps_per_s=1, cells_per_s=5, device="cpu", plan="eager", memory_mb=1))
    qtbot.wait(1)
    assert [strip.labels[item.name].x() for item in ITEMS[:6]] == places


def test_a_narrow_bar_leaves_out_what_is_worth_least(bar: QStatusBar, strip: StatusStrip, qtbot: QtBot) -> None:
    strip.show_status(BUSY)
    bar.resize(420, 30)
    qtbot.waitUntil(lambda: strip.width() < 420)
    assert texts(strip)[:2] == ["playing", "step 1,234,567"]
    assert "2.38 MiB/s transferred" not in texts(strip)
    assert strip.minimumSizeHint().width() == 0
    bar.resize(1600, 30)
    qtbot.waitUntil(lambda: "2.38 MiB/s transferred" in texts(strip))


def test_a_note_stands_beside_the_numbers_and_goes_again(bar: QStatusBar, strip: StatusStrip) -> None:
    strip.show_status(BUSY)
    bar.showMessage("Saved numbers.csv.")
    assert strip.note.text() == "Saved numbers.csv."
    assert texts(strip)[:3] == ["playing", "step 1,234,567", "45.7 ksteps/s"]
    bar.showMessage("a long story " * 40)
    assert strip.note.text().endswith("\N{HORIZONTAL ELLIPSIS}")
    assert strip.note.toolTip().startswith("a long story a long story")
    assert texts(strip)[:3] == ["playing", "step 1,234,567", "45.7 ksteps/s"]
    bar.clearMessage()
    assert strip.note.text() == ""


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live())
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()


def test_the_buttons_under_the_cells_play_pause_step_and_reset(window: Window, qtbot: QtBot) -> None:
    transport, source = window.transport, window.controller.source
    assert isinstance(source, LiveSource)
    qtbot.mouseClick(transport.play, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: transport.play.text() == "Pause")
    qtbot.mouseClick(transport.play, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: transport.play.text() == "Play")
    before = source.motor.step_count
    qtbot.mouseClick(transport.step, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: source.motor.step_count == before + 1)
    qtbot.mouseClick(transport.reset, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: source.motor.step_count == 0)
    for button in (transport.play, transport.step, transport.reset, transport.more, transport.fewer):
        assert button.accessibleName()
        assert button.toolTip().endswith(")")  # its key


def test_space_presses_the_button_that_has_the_focus(window: Window, qtbot: QtBot) -> None:
    source = window.controller.source
    assert isinstance(source, LiveSource)
    window.activateWindow()
    window.transport.step.setFocus()
    qtbot.waitUntil(window.transport.step.hasFocus)
    qtbot.keyClick(window.transport.step, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: source.motor.step_count >= 1 and not source.status().playing)
    assert source.motor.step_count == 1


def test_the_slider_goes_from_one_step_a_second_to_unlimited(window: Window) -> None:
    transport, model = window.transport, window.controller.model
    seen = []
    for place in range(transport.speed.maximum() + 1):
        transport.speed.setValue(place)
        seen.append(model.speed)
    assert seen == [*SPEEDS, None]
    assert transport.speed_words.text() == "unlimited"
    window.controller.slower()
    assert transport.speed.value() == len(SPEEDS) - 1
    assert transport.speed_words.text() == "240 steps a second"
    transport.more.click()
    assert model.stride == 2
    assert transport.stride_words.text() == "2 steps a frame"
    transport.fewer.click()
    assert transport.stride_words.text() == "1 step a frame"


def test_the_window_can_be_made_narrow(window: Window, qtbot: QtBot) -> None:
    assert window.status_strip.isVisible()
    assert window.statusBar().minimumSizeHint().width() < 100
    assert window.transport.minimumSizeHint().width() < 640


def test_the_strip_is_there_for_live_runs_only(window: Window) -> None:
    assert window.transport.isVisible()
    window.controller.close()
    assert not window.transport.isVisible()
    assert texts(window.status_strip) == []


def test_a_window_fits_a_small_screen(window: Window) -> None:
    assert window.minimumSizeHint().width() <= 900
    assert window.minimumSizeHint().height() <= 560
