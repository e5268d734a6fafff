"""The plots in the real window, offscreen."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import life, live
from viewer.model.time_series import Measurement
from viewer.panels.plots import PlotsPanel
from viewer.widgets.file_dialogs import free_name
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(life(batch=3)))
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()


@pytest.fixture
def panel(window: Window, qtbot: QtBot) -> PlotsPanel:
    window.docks["plots"].toggleViewAction().trigger()
    panel = window.panels["plots"]
    assert isinstance(panel, PlotsPanel)
    qtbot.waitUntil(panel.isVisible)
    return panel


def lines(panel: PlotsPanel, name: str) -> list[tuple[list[float], list[float]]]:
    """What the curves of a plot hold: x and y, of those that are drawn."""
    drawn = [curve.getOriginalDataset() for curve in panel.plots[name].listDataItems()]
    return [(list(x), list(y)) for x, y in drawn if x is not None and len(x)]


def test_the_panel_in_view_plots_the_population_of_the_universe_in_view(
    window: Window, panel: PlotsPanel, qtbot: QtBot
) -> None:
    assert panel.boxes["population"].isChecked()
    window.controller.step_many(12)
    series = window.controller.series
    qtbot.waitUntil(lambda: bool(series.stretches) and series.stretches[-1].steps[-1] == 12)
    qtbot.waitUntil(lambda: bool(lines(panel, "population")) and lines(panel, "population")[0][0][-1] == 12)
    window.controller.next_universe()
    ((x, y),) = lines(panel, "population")
    assert np.array_equal(x, series.stretches[-1].steps)
    assert np.array_equal(y, series.stretches[-1].values("population")[:, 1])
    panel.universes.setCurrentIndex(1)
    drawn = lines(panel, "population")
    assert len(drawn) == 3
    assert drawn[-1][1] == y


def test_ticking_a_box_adds_a_plot_and_unticking_all_says_what_to_do(window: Window, panel: PlotsPanel, qtbot: QtBot) -> None:
    panel.boxes["steps_per_s"].click()
    qtbot.waitUntil(lambda: list(panel.plots) == ["population", "steps_per_s"])
    panel.boxes["steps_per_s"].click()
    panel.boxes["population"].click()
    assert panel.nothing.isVisible()
    assert not panel.area.isVisible()


def test_numbers_that_come_faster_than_anyone_reads_are_drawn_together(
    window: Window, panel: PlotsPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window._timer.stop()  # no numbers but these
    qtbot.waitUntil(lambda: not panel._rest.isActive())
    drawn: list[int] = []
    monkeypatch.setattr(PlotsPanel, "draw", lambda panel: drawn.extend(run.steps[-1] for run in panel.series.stretches))
    for step in range(100, 120):
        panel.series._measured(Measurement(step, 0.0, {"population": np.array([1.0, 2.0, 3.0])}))
    assert drawn == [100]
    qtbot.waitUntil(lambda: len(drawn) > 1)
    assert drawn == [100, 119], "and the last of them"


def test_the_buttons_are_in_view_however_many_numbers_are_offered(window: Window, panel: PlotsPanel, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: len(panel.boxes) > 4)
    buttons = (panel.export, panel.clear, panel.universes)
    qtbot.waitUntil(lambda: all(button.visibleRegion().boundingRect() == button.rect() for button in buttons))
    assert all(button.width() >= button.sizeHint().width() for button in buttons)


def test_a_hidden_panel_collects_nothing(window: Window, panel: PlotsPanel, qtbot: QtBot) -> None:
    assert window.controller.series.shown
    window.docks["plots"].close()
    assert not window.controller.series.shown


def test_the_numbers_are_saved_where_the_user_says(window: Window, panel: PlotsPanel, qtbot: QtBot, tmp_path: Path) -> None:
    series = window.controller.series
    window.controller.step_many(5)
    qtbot.waitUntil(lambda: bool(series.stretches) and series.stretches[-1].steps[-1] == 5)
    path = tmp_path / "mine.csv"
    window.actions_by_name["window.file_menu.save_numbers"].trigger()
    dialog = window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    dialog.selectFile(str(path))
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(path.exists)
    with path.open(newline="") as file:
        *_, last = csv.reader(file)
    assert [float(x) for x in last[3:]] == series.stretches[-1].values("population")[-1].tolist()
    window.actions_by_name["series.clear"].trigger()
    assert not series.stretches
    assert not panel.export.isEnabled()


def test_a_suggested_name_is_that_of_no_file(tmp_path: Path) -> None:
    for name in ("numbers.csv", "numbers-2.csv"):
        (tmp_path / name).touch()
    assert free_name(tmp_path / "numbers.csv").name == "numbers-3.csv"
    assert free_name(tmp_path / "others.csv").name == "others.csv"
