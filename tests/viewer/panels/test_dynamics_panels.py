"""The panels of dynamics in the real window, offscreen."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtGui import QFontMetricsF
from pytestqt.qtbot import QtBot

from aetheria import Life
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.measure_fields import MEASURES
from tests.viewer.fakes import life, live
from tests.viewer.grids import shift
from tests.viewer.recordings import record_life
from viewer.panels.dynamics.activity_panel import ActivityPanel
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.flow_panel import FlowPanel, lines_of
from viewer.panels.dynamics.histogram_panel import HistogramOverTimePanel
from viewer.panels.dynamics.portrait_panels import PortraitPanel, SectionPanel
from viewer.panels.dynamics.recurrence_panel import RecurrencePanel
from viewer.panels.dynamics.spectrum_panel import SpectrumPanel
from viewer.panels.plotting import CompactAxis
from viewer.panels.series_plot import spoken
from viewer.sources.opening import open_recording
from viewer.widgets import theme
from viewer.window.window import Window

NAMES = ("spectrum", "histogram", "activity", "portrait", "section", "recurrence", "flow")


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


def says(panel: DynamicsPanel[Any], words: str) -> bool:
    """Whether a panel without a result names this reason."""
    return words in panel.nothing.text()


def has_caption(panel: DynamicsPanel[Any]) -> bool:
    """Whether a panel has drawn a result."""
    return panel.watch.result is not None and bool(panel.caption.text())


def test_closed_panels_ask_for_nothing(window: Window, qtbot: QtBot) -> None:
    feed = window.controller.source.motor._loop.feed  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: window.controller.frame is not None)  # the window's own subscription is there
    before = len(feed._open())
    for name in NAMES:
        panel = opened(window, qtbot, name)
        stepped(window, qtbot, panel)
        window.docks[name].close()
        qtbot.waitUntil(lambda: len(feed._open()) == before, timeout=20_000)
    step = window.controller.source.motor.step_count  # type: ignore[union-attr]
    window.controller.step_many(5)
    qtbot.waitUntil(lambda: window.controller.source.motor.step_count >= step + 5)  # type: ignore[union-attr]
    assert len(feed._open()) == before


def test_panels_say_why_there_is_nothing_and_begin_anew_with_another_source(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    panels = {}
    for name in NAMES:
        panels[name] = opened(window, qtbot, name)
        stepped(window, qtbot, panels[name])
    window.controller.close()
    for panel in panels.values():
        assert panel.watch.result is None
        assert panel.nothing.text() == "Open a simulation or a recording first."
    window.controller.open(open_recording(record_life(tmp_path / "run.h5", steps=10)))
    for name, panel in panels.items():
        window.docks[name].raise_()
        if name in ("portrait", "section"):
            qtbot.waitUntil(partial(says, panel, "two observables"))  # one is recorded
        else:
            qtbot.waitUntil(partial(has_caption, panel))
    window.controller.toggle_theme()
    assert panels["flow"].caption.text()


def test_a_section_in_a_small_window_shows_the_names_of_its_observables_and_its_caption(window: Window, qtbot: QtBot) -> None:
    window.resize(900, 560)
    panel = opened(window, qtbot, "section")
    assert isinstance(panel, SectionPanel)
    stepped(window, qtbot, panel)
    qtbot.waitUntil(lambda: "crossing" in panel.caption.text())
    assert window.width() == 900
    longest = max(panel.fontMetrics().horizontalAdvance(spoken(name)) for name in MEASURES)
    for box in panel.choices:
        assert box.width() >= box.sizeHint().width() > longest
    assert panel.caption.width() >= panel.fontMetrics().horizontalAdvance(panel.caption.text())


def test_the_spectrum_is_of_the_present_cells(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "spectrum")
    assert isinstance(panel, SpectrumPanel)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.step == 0)
    window.controller.step_many(9)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.step == 9)
    qtbot.waitUntil(lambda: panel.caption.text().startswith("step 9: largest power at a wavelength of"))
    x, y = panel.curve.getOriginalDataset()
    assert len(x) == len(y) > 5


@pytest.mark.parametrize(
    ("low", "high", "size", "numbers"),
    [
        (-2.1, -0.3, 700, ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]),
        (-2.1, -0.3, 120, ["0.01", "0.1"]),
        (-12.0, 0.0, 200, None),
    ],
)
@pytest.mark.usefixtures("qapp")
def test_numbers_of_a_logarithmic_axis_have_room(low: float, high: float, size: float, numbers: list[str] | None) -> None:
    axis = CompactAxis("bottom")
    axis.setLogMode(x=True)
    labelled, marks = (values for _, values in axis.logTickValues(low, high, size, []))
    shown = axis.tickStrings(labelled, 1.0, 1.0)
    assert numbers is None or shown == numbers
    places = sorted((value - low) / (high - low) * size for value in labelled)
    widths = [QFontMetricsF(axis.font()).horizontalAdvance(text) for text in shown]
    assert all(after - before > max(widths) for before, after in pairwise(places))
    assert all(low <= value <= high for value in [*labelled, *marks])


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
    for _ in range(2):
        window.controller.toggle_theme()
        ((_, label),) = panel.chart.getPlotItem().legend.items
        written = theme.colour(window.controller.model.theme, "text")
        qtbot.waitUntil(lambda label=label, written=written: written.name() in label.item.toHtml())  # type: ignore[misc]


def test_another_universe_begins_anew(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "histogram")
    stepped(window, qtbot, panel, 10)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.steps[-1] == 10)
    window.controller.next_universe()
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.steps[0] == 10)


def test_the_portrait_is_of_the_chosen_observables(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "portrait")
    assert isinstance(panel, PortraitPanel)
    panel.choices[1].setCurrentIndex(panel.choices[1].findData("count_1"))
    panel.choices[1].activated.emit(0)
    qtbot.waitUntil(lambda: panel.watch.result is not None and panel.watch.result.names == ("population", "count_1"))
    stepped(window, qtbot, panel, 12)
    qtbot.waitUntil(lambda: panel.watch.result is not None and len(panel.watch.result.steps) == 13)
    qtbot.waitUntil(lambda: panel.caption.text() == "steps 0 to 12")
    x, y = panel.curve.getOriginalDataset()
    assert len(set(x)) > 1
    assert x.tolist() == y.tolist()
    assert panel.place.getOriginalDataset()[0].tolist() == x[-1:].tolist()


def test_the_section_is_taken_at_the_mean_or_at_the_level_of_the_user(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, "section")
    assert isinstance(panel, SectionPanel)
    stepped(window, qtbot, panel, 40)
    qtbot.waitUntil(lambda: panel.caption.text().endswith("steps 0 to 40"))
    run, names = panel.watch.result, panel.names()
    assert run is not None
    trigger = run.values_of(names[2])
    level = pytest.approx(trigger.mean(), abs=1e-4)
    assert panel.level.value() == level
    assert not panel.level.isEnabled()
    found = panel.points.getOriginalDataset()[0]
    assert found is not None
    assert len(found) > 0
    panel.at_mean.click()
    panel.level.setValue(trigger.max() + 1)
    assert panel.caption.text().startswith("0 crossings")
    assert panel.level.isEnabled()


def test_recurrence_finds_the_period_of_a_blinker(window: Window, qtbot: QtBot) -> None:
    cells = torch.zeros(1, 1, 12, 12)
    cells[..., 6, 5:8] = 1
    window.controller.open(live(Aetheria_Motor(Life(), 12, 1, "cpu", {"plan": "eager"}, initial=cells[0])))
    panel = opened(window, qtbot, "recurrence")
    assert isinstance(panel, RecurrencePanel)
    stepped(window, qtbot, panel, 7)
    # As a shape that may turn it would be one step: the correlation is over shifts only.
    qtbot.waitUntil(lambda: panel.caption.text() == "steps 0 to 7: came back after 2 steps")
    result = panel.watch.result
    assert result is not None
    assert result.distances[0, 2] == 0 < result.distances[0, 1]


def test_the_flow_of_a_shift_is_one_cell_a_step_to_the_right(window: Window, qtbot: QtBot) -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    cells = ((y - 20) ** 2 + (x - 24) ** 2 < 80).float()[None]
    window.controller.open(live(shift(40, 48, cells=cells)))
    panel = opened(window, qtbot, "flow")
    assert isinstance(panel, FlowPanel)
    result = stepped(window, qtbot, panel, 4)
    speeds = np.hypot(*result.velocity.T)
    assert result.velocity[speeds.argmax()] == pytest.approx((0, 1), abs=0.15)
    assert "cells per step" in panel.caption.text()


def test_arrows_point_along_their_way() -> None:
    x, y = lines_of(np.array([[10.0, 20.0]]), np.array([[0.0, 4.0]]))
    assert (x[0], y[0], x[1], y[1]) == (18, 10, 22, 10), "the shaft lies about its place"
    assert all(18 < at < 22 for at in (x[3], x[5]))
    assert y[3] + y[5] == 20
