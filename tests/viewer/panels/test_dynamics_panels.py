"""The panels of dynamics in the real window, offscreen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from pytestqt.qtbot import QtBot

from tests.viewer.fakes import life, live
from tests.viewer.recordings import record_life
from viewer.panels.dynamics.activity_panel import ActivityPanel
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.histogram_panel import HistogramOverTimePanel
from viewer.panels.dynamics.spectrum_panel import SpectrumPanel
from viewer.sources.opening import open_recording
from viewer.window.window import Window

NAMES = ("spectrum", "histogram", "activity")


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(life(batch=2)))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    yield window
    window.close()


def opened(window: Window, qtbot: QtBot, name: str) -> Any:
    """The panel of that name, in view."""
    window.docks[name].toggleViewAction().trigger()
    panel = window.panels[name]
    qtbot.waitUntil(panel.isVisible)
    return panel


def stepped(window: Window, qtbot: QtBot, panel: DynamicsPanel[Any], steps: int = 20) -> Any:
    """The newest result after some steps."""
    qtbot.waitUntil(lambda: panel.watch._sampler is not None)
    qtbot.waitUntil(lambda: not panel.watch._asked)
    window.controller.step_many(steps)
    qtbot.waitUntil(lambda: panel.watch.result is not None)
    qtbot.waitUntil(lambda: bool(panel.caption.text()))
    return panel.watch.result


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_panel_asks_for_nothing(window: Window, qtbot: QtBot, name: str) -> None:
    feed = window.controller.source.motor._loop.feed  # type: ignore[union-attr]
    before = len(feed._open())
    panel = opened(window, qtbot, name)
    stepped(window, qtbot, panel)
    window.docks[name].close()
    qtbot.waitUntil(lambda: len(feed._open()) == before)
    window.controller.step_many(5)
    qtbot.waitUntil(lambda: window.controller.source.motor.step_count >= 5)  # type: ignore[union-attr]
    assert len(feed._open()) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_says_when_nothing_is_open_and_begins_anew_with_another_source(
    window: Window, qtbot: QtBot, name: str, tmp_path: Path
) -> None:
    panel = opened(window, qtbot, name)
    stepped(window, qtbot, panel)
    window.controller.close()
    assert panel.watch.result is None
    assert panel.nothing.text() == "Open a simulation or a recording first."
    window.controller.open(open_recording(record_life(tmp_path / "run.h5", steps=10)))
    qtbot.waitUntil(lambda: panel.watch.result is not None)
    window.controller.toggle_theme()
    assert panel.caption.text()


def test_the_spectrum_is_of_the_present_cells(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "spectrum")
    assert isinstance(panel, SpectrumPanel)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.step == 0)
    window.controller.step_many(9)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.step == 9)
    qtbot.waitUntil(lambda: panel.caption.text().startswith("step 9: largest power at a wavelength of"))
    x, y = panel.curve.getOriginalDataset()
    assert len(x) == len(y) > 5


def test_the_histogram_has_a_column_for_every_step(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "histogram")
    assert isinstance(panel, HistogramOverTimePanel)
    stepped(window, qtbot, panel, 10)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.steps[-1] == 10)
    result = panel.watch.result
    assert result is not None
    assert (result.steps[1:] - result.steps[:-1] == 1).all()
    assert result.shares.sum(1) == pytest.approx(1)
    qtbot.waitUntil(lambda: panel.chart.image.image is not None and panel.chart.image.image.shape[1] == len(result.steps))


def test_activity_is_drawn_for_each_channel(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "activity")
    assert isinstance(panel, ActivityPanel)
    result = stepped(window, qtbot, panel)
    assert result.names == ("channel_0",)
    assert 0 < result.values[-1, 0] < 1
    assert list(panel.curves) == ["channel_0"]


def test_another_universe_begins_anew(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "histogram")
    stepped(window, qtbot, panel, 10)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.steps[-1] == 10)
    window.controller.next_universe()
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.steps[0] == 10)
