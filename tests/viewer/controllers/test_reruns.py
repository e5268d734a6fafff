"""A recorded run taken up live again, and what the window says of a recording."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from aetheria.recording import Recording
from aetheria.runs.config import load_config
from aetheria.runs.run import run
from tests.viewer.recordings import record_life, record_nca
from viewer.panels.recording_panel import RecordingPanel
from viewer.sources.live import LiveSource
from viewer.sources.opening import open_recording
from viewer.window.window import Window

CONFIG = """
title = "A soup"
steps = 40
seed = 5
[grid]
height = 16
width = 24
[law]
name = "Life"
[motor]
plan = "eager"
[record]
every = 4
"""
CONTROL = Qt.KeyboardModifier.ControlModifier
BOTH = CONTROL | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "soup.toml").write_text(CONFIG)
    path = tmp_path / "soup.h5"
    run(load_config(tmp_path / "soup.toml"), path)
    return path


def live_run(window: Window, qtbot: QtBot) -> LiveSource:
    """The live run that comes, standing still."""
    qtbot.waitUntil(lambda: isinstance(window.controller.source, LiveSource), timeout=20_000)
    source = window.controller.source
    assert isinstance(source, LiveSource)
    source.play(False)
    qtbot.waitUntil(lambda: not source.status().playing)
    return source


def test_the_config_of_a_recording_is_run_from_its_start(window: Window, qtbot: QtBot, path: Path) -> None:
    window.controller.open(open_recording(path))
    window.controller.player.last()
    window.controller.set_speed(1.0)
    qtbot.keyClick(window.canvas, Qt.Key.Key_R, CONTROL)
    source = live_run(window, qtbot)
    assert (source.title, source.motor.shape, source.motor.seed) == ("A soup", (1, 1, 16, 24), 5)
    window.controller.go_to(4)
    qtbot.waitUntil(lambda: source.motor.step_count == 4)
    with Recording(path) as recording:
        np.testing.assert_array_equal(source.motor.cells[:, 0].numpy(), recording[1]["channel_0"])


def test_a_recorded_run_goes_on_from_the_frame_in_view(window: Window, qtbot: QtBot, path: Path) -> None:
    window.controller.open(open_recording(path))
    window.controller.player.seek(3)
    window.controller.set_speed(1.0)
    qtbot.keyClick(window.canvas, Qt.Key.Key_R, BOTH)
    source = live_run(window, qtbot)
    assert source.motor.step_count in (12, 13)
    assert source.config is not None
    window.controller.go_to(16)
    qtbot.waitUntil(lambda: source.motor.step_count == 16)
    with Recording(path) as recording:
        np.testing.assert_array_equal(source.motor.cells[:, 0].numpy(), recording[4]["channel_0"])


@pytest.mark.parametrize("key", [CONTROL, BOTH])
def test_without_a_config_in_the_file_that_is_told(
    window: Window, qtbot: QtBot, tmp_path: Path, key: Qt.KeyboardModifier
) -> None:
    window.controller.open(open_recording(record_life(tmp_path / "bare.h5")))
    qtbot.keyClick(window.canvas, Qt.Key.Key_R, key)
    assert "does not hold the config" in window.banner.text.text()
    assert not window.actions_by_name["new_seed"].isEnabled()


def test_the_panel_says_what_was_recorded(window: Window, qtbot: QtBot, path: Path, tmp_path: Path) -> None:
    panel = window.panels["recording"]
    assert isinstance(panel, RecordingPanel)
    window.docks["recording"].show()
    window.docks["recording"].raise_()
    window.controller.open(open_recording(path))
    texts = {row: label.text() for row, label in panel.values.items()}
    assert texts["File"] == path.name
    assert texts["Title"] == "A soup"
    assert texts["Law"] == "Life, 1 channel"
    assert texts["Grid"] == "24 \N{MULTIPLICATION SIGN} 16 cells"
    assert (texts["Frames"], texts["Steps"], texts["Ended"]) == ("11", "0 to 40, 1 in 4", "done")
    assert (texts["Seed"], texts["Recorded"]) == ("5", "")
    assert panel.values["Frames"].isVisible()
    assert not panel.values["Recorded"].isVisible()
    window.controller.open(open_recording(record_nca(tmp_path / "nca.h5", batch=2, size=(6, 10))))
    qtbot.waitUntil(panel.values["Recorded"].isVisible)
    assert panel.values["Grid"].text() == "20 \N{MULTIPLICATION SIGN} 12 cells, 2 universes"
    assert panel.values["Recorded"].text() == "frames of 10 \N{MULTIPLICATION SIGN} 6 pixels"
    window.controller.close()
    assert not panel.values["Grid"].isVisible()
    assert panel.nothing.isVisible()
