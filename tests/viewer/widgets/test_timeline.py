"""The strip under a recording, and its keys, in the real window offscreen."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import live
from tests.viewer.recordings import record_life
from viewer.controllers.player import PlaybackPosition
from viewer.sources.opening import open_recording
from viewer.sources.playback import RecordingSource
from viewer.widgets.timeline import position_text
from viewer.window.window import Window

FRAMES = 41


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(open_recording(record_life(tmp_path / "run.h5", steps=80, every=2)))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def source_of(window: Window) -> RecordingSource:
    assert isinstance(window.controller.source, RecordingSource)
    return window.controller.source


def shows(window: Window, index: int) -> bool:
    """Whether the frame is in the picture, the slider and the words."""
    frame = window.controller.frame
    words = f"frame {index + 1} of {FRAMES}, step {2 * index}"
    return frame is not None and (frame.step, window.timeline.slider.value(), window.timeline.position_text.text()) == (
        2 * index,
        index,
        words,
    )


def press(qtbot: QtBot, widget: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    widget.setFocus()
    qtbot.keyClick(widget, key, modifier)


KEYS = [
    (Qt.Key.Key_Right, 21),
    (Qt.Key.Key_Left, 19),
    (Qt.Key.Key_PageDown, 30),
    (Qt.Key.Key_PageUp, 10),
    (Qt.Key.Key_Home, 0),
    (Qt.Key.Key_End, 40),
]


@pytest.mark.parametrize("focus", ["canvas", "slider"])
@pytest.mark.parametrize(("key", "frame"), KEYS)
def test_keys_move_through_frames_wherever_the_focus_is(
    window: Window, qtbot: QtBot, focus: str, key: Qt.Key, frame: int
) -> None:
    source_of(window).seek(20)
    qtbot.waitUntil(partial(shows, window, 20))
    press(qtbot, window.canvas if focus == "canvas" else window.timeline.slider, key)
    qtbot.waitUntil(partial(shows, window, frame))


def test_every_button_does_what_its_key_does(window: Window, qtbot: QtBot) -> None:
    for name, frame in (
        ("player.last", 40),
        ("player.back", 39),
        ("player.first", 0),
        ("player.forward", 1),
    ):
        qtbot.mouseClick(window.timeline.buttons[name], Qt.MouseButton.LeftButton)
        qtbot.waitUntil(partial(shows, window, frame))


def test_the_slider_goes_where_the_mouse_is_and_pictures_follow(window: Window, qtbot: QtBot) -> None:
    slider = window.timeline.slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    assert slider.value() == 20
    qtbot.waitUntil(partial(shows, window, 20))
    for x in range(middle.x(), slider.width(), 7):
        qtbot.mouseMove(slider, QPoint(x, middle.y()))
    qtbot.mouseMove(slider, QPoint(slider.width() + 50, middle.y()))
    assert slider.value() == 40
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.waitUntil(partial(shows, window, 40))
    assert not source_of(window).status().playing


def test_playing_waits_while_the_slider_is_held_and_goes_on_after(window: Window, qtbot: QtBot) -> None:
    source = source_of(window)
    window.controller.player.toggle_loop()
    press(qtbot, window.canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.timeline.play.accessibleName() == "Pause")
    slider = window.timeline.slider
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 2, slider.height() // 2))
    assert not source.status().playing
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton)
    assert source.status().playing
    press(qtbot, window.canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.timeline.play.accessibleName() == "Play")


def test_loop_by_key_and_by_button(window: Window, qtbot: QtBot) -> None:
    action, playhead = window.actions_by_name["player.toggle_loop"], source_of(window).playhead
    press(qtbot, window.canvas, Qt.Key.Key_O)
    assert (playhead.loop, action.isChecked(), window.timeline.loop.isChecked()) == (True, True, True)
    qtbot.mouseClick(window.timeline.loop, Qt.MouseButton.LeftButton)
    assert (playhead.loop, action.isChecked(), window.timeline.loop.isChecked()) == (False, False, False)


def test_staying_at_the_newest_goes_to_the_end_and_ends_with_the_next_move(window: Window, qtbot: QtBot) -> None:
    press(qtbot, window.canvas, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(partial(shows, window, 40))
    assert window.timeline.newest.isChecked()
    press(qtbot, window.canvas, Qt.Key.Key_Left)
    qtbot.waitUntil(partial(shows, window, 39))
    assert not window.timeline.newest.isChecked()


def test_speed_and_stride_are_typed_or_stepped_by_keys(window: Window, qtbot: QtBot) -> None:
    playhead = source_of(window).playhead
    speed, stride = window.timeline.speed, window.timeline.stride
    speed.setFocus()
    speed.selectAll()
    qtbot.keyClicks(speed, "12.5")
    assert not source_of(window).status().playing
    qtbot.keyClick(speed, Qt.Key.Key_Return)
    assert (playhead.speed, source_of(window).status().playing) == (12.5, False)
    speed.setValue(0.0)
    assert playhead.speed is None
    assert speed.text() == "unlimited"
    press(qtbot, window.canvas, Qt.Key.Key_Minus)
    assert (playhead.speed, speed.value()) == (240.0, 240.0)
    press(qtbot, window.canvas, Qt.Key.Key_BracketRight)
    assert (playhead.stride, stride.text()) == (2, "1 frame in 2")
    stride.setValue(1)
    assert (playhead.stride, stride.text()) == (1, "every frame")


def test_the_strip_is_there_for_recordings_only(window: Window, qtbot: QtBot) -> None:
    assert window.timeline.isVisible()
    assert not window.transport.isVisible()
    window.controller.open(live())
    assert not window.timeline.isVisible()
    assert window.transport.isVisible()
    assert not window.actions_by_name["player.forward"].isEnabled()
    press(qtbot, window.canvas, Qt.Key.Key_Right)
    window.controller.player.forward()
    window.controller.player.toggle_newest()
    window.controller.close()
    assert window.controller.player.position is None


def test_a_stride_does_not_outlive_what_it_was_set_for(window: Window, tmp_path: Path) -> None:
    window.controller.stride_up()
    window.controller.open(open_recording(record_life(tmp_path / "other.h5")))
    assert source_of(window).playhead.stride == 1


def test_each_part_can_be_reached_by_keyboard_and_has_a_name(window: Window, qtbot: QtBot) -> None:
    bar = window.timeline
    for widget in (bar.slider, *bar.buttons.values(), bar.speed, bar.stride, bar.loop, bar.newest):
        assert widget.accessibleName()
        widget.setFocus()
        assert QApplication.focusWidget() is widget
    for action in window.actions_by_name.values():
        if action.data().name.startswith("player."):
            assert QKeySequence(action.data().keys[0]).toString() in action.toolTip()


def test_positions_are_told_in_words() -> None:
    assert position_text(PlaybackPosition(0, 0, 0, 0.0, False, "running")) == "no frame yet"
    assert position_text(PlaybackPosition(9, 1234, 90, 90.0, False, "done")) == "frame 10 of 1,234, step 90"
    assert position_text(PlaybackPosition(9, 10, 9000, 900.0, True, "done")) == "frame 10 of 10, step 9,000, t = 900"
