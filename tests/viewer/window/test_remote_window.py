"""The window on a served run: transport, slice bar, timeline, and what a server does not allow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from aetheria.serve.access import Access
from aetheria.serve.playback import PlaybackSource
from aetheria.serve.server import Server
from tests.viewer.recordings import record_life
from tests.viewer.served import motor_of, served
from viewer.model.model import SPEEDS
from viewer.panels.recording_panel import RecordingPanel
from viewer.sources.remote import RemoteSource
from viewer.window.app import open_window
from viewer.window.window import Window

_LONG_MS = 20_000


def window_on(server: Server, qtbot: QtBot) -> Window:
    window = open_window(server.url)
    qtbot.addWidget(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None, timeout=_LONG_MS)
    return window


def test_the_window_opens_on_an_address_and_its_key_lets_the_run_go_on(qtbot: QtBot) -> None:
    motor = motor_of()
    with served(motor) as (server, steering):
        window = window_on(server, qtbot)
        source = window.controller.source
        assert isinstance(source, RemoteSource)
        assert server.token not in window.windowTitle()
        assert window.transport.isVisible()
        assert steering.paused
        window.transport.play.click()
        qtbot.waitUntil(lambda: motor.step_count > 3, timeout=_LONG_MS)
        qtbot.waitUntil(lambda: source.status().playing, timeout=_LONG_MS)
        steering.limit(25.0)  # by another reader
        qtbot.waitUntil(lambda: window.transport.speed_words.text() == "25 steps a second", timeout=_LONG_MS)
        assert SPEEDS[window.transport.speed.value()] == 20.0  # the nearest place of the slider
        assert steering.speed == 25.0
        window.close()


def test_a_served_run_is_reset_and_filmed_but_not_recorded_by_the_window(qtbot: QtBot, tmp_path: Path) -> None:
    motor = motor_of()
    with served(motor) as (server, _):
        window = window_on(server, qtbot)
        assert not window.actions_by_name["window.file_menu.record"].isEnabled()
        assert "a server steps this run" in window.actions_by_name["window.file_menu.record"].toolTip()
        window.controller.film.film_view(tmp_path / "film.gif")
        window.transport.step.click()
        qtbot.waitUntil(lambda: window.controller.frame.step == 1, timeout=_LONG_MS)  # type: ignore[union-attr]
        window.transport.reset.click()
        qtbot.waitUntil(lambda: window.controller.frame.step == 0, timeout=_LONG_MS)  # type: ignore[union-attr]
        assert motor.step_count == 0
        window.controller.film.stop()
        qtbot.waitUntil(lambda: (tmp_path / "film.gif").exists(), timeout=_LONG_MS)
        window.close()


def test_the_slice_bar_moves_through_a_served_volume(qtbot: QtBot) -> None:
    motor = motor_of("Life3D", (5, 6, 7))
    with served(motor) as (server, _):
        window = window_on(server, qtbot)
        bar = window.slice_bar
        assert bar.isVisible()
        assert (bar.index.maximum(), bar.index.value()) == (4, 2)
        bar.index.setValue(4)

        def shows(cells: Any) -> bool:
            frame = window.controller.frame
            return frame is not None and np.array_equal(frame.pixels > 127, cells)

        qtbot.waitUntil(lambda: shows(motor.cells[0, 0, 4].numpy() > 0), timeout=_LONG_MS)
        bar.axis.setCurrentText("x")
        bar.axis.textActivated.emit("x")
        qtbot.waitUntil(lambda: shows(motor.cells[0, 0, :, :, 3].numpy() > 0), timeout=_LONG_MS)
        bar.kind.setCurrentIndex(bar.kind.findData("max"))
        bar.kind.activated.emit(bar.kind.currentIndex())
        qtbot.waitUntil(lambda: shows(motor.cells[0, 0].amax(-1).numpy() > 0), timeout=_LONG_MS)
        assert "mean or maximum" in window.controller.tools.why_not("draw")
        window.close()


def test_the_timeline_moves_a_served_recording(qtbot: QtBot, tmp_path: Path) -> None:
    source = PlaybackSource(record_life(tmp_path / "run.h5", steps=20))
    source.obey("pause", {})  # while it plays it may be at frame 12 already
    with Server(source, Access(port=0)) as server:
        window = window_on(server, qtbot)
        timeline = window.timeline
        qtbot.waitUntil(lambda: timeline.isVisible() and timeline.slider.maximum() == 20, timeout=_LONG_MS)
        assert not window.transport.isVisible()
        panel = window.panels["recording"]
        assert isinstance(panel, RecordingPanel)
        qtbot.waitUntil(lambda: not panel.visibleRegion().isEmpty() and panel.values["Frames"].text() == "21")
        shown = [panel.values[row].text() for row in ("Law", "Recorded", "Fields", "Ended")]
        assert shown == ["Life", "frames of 20 \N{MULTIPLICATION SIGN} 12 pixels", "channel_0, energy", "done"]
        assert not panel.nothing.isVisible()
        timeline.slider.setValue(12)
        qtbot.waitUntil(lambda: source.status()["frame"] == 12 and source.status()["paused"], timeout=_LONG_MS)
        qtbot.waitUntil(lambda: timeline.position_text.text() == "frame 13 of 21, step 12", timeout=_LONG_MS)
        timeline.buttons["player.forward"].click()
        qtbot.waitUntil(lambda: source.status()["frame"] == 13, timeout=_LONG_MS)
        qtbot.keyClick(window.canvas, Qt.Key.Key_Home)
        qtbot.waitUntil(lambda: window.controller.frame.step == 0, timeout=_LONG_MS)  # type: ignore[union-attr]
        timeline.play.click()
        qtbot.waitUntil(lambda: not source.status()["paused"], timeout=_LONG_MS)
        qtbot.waitUntil(lambda: timeline.play.accessibleName() == "Pause", timeout=_LONG_MS)
        tip = window.actions_by_name["window.reruns.run_config"].toolTip()
        assert "the recording is on the server" in tip
        window.close()


def test_a_read_only_server_leaves_the_tools_grey_with_the_reason(qtbot: QtBot) -> None:
    with served(motor_of(), read_only=True) as (server, _):
        window = window_on(server, qtbot)
        button = window.panels["tools"].buttons["draw"]  # type: ignore[attr-defined]
        assert not button.isEnabled()
        assert "--read-only" in button.toolTip()
        assert "the server only shows it" in window.actions_by_name["toggle_play"].toolTip()
        window.close()
