"""All universes, and three slices of a volume, in the real window offscreen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from aetheria.recording import Recorder
from tests.viewer.fakes import life, live
from tests.viewer.grids import shift
from tests.viewer.recordings import record_nca
from viewer.model.plane import PlaneSlice
from viewer.model.view_settings import FieldChoice
from viewer.panels.dynamics.slices_panel import SlicesPanel
from viewer.panels.dynamics.universes_panel import UniversesPanel
from viewer.panels.dynamics.volume_panels import PastFramesPanel, VolumePanel, levels_for
from viewer.sources.opening import open_recording
from viewer.window.window import Window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.resize(1200, 900)
    yield window
    window.close()


def opened(window: Window, qtbot: QtBot, source: Any, name: str) -> Any:
    """The panel of that name, in view, with a source."""
    window.controller.open(source)
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    window.docks[name].toggleViewAction().trigger()
    qtbot.waitUntil(window.panels[name].isVisible)
    return window.panels[name]


def test_a_click_on_a_tile_displays_its_universe(window: Window, qtbot: QtBot) -> None:
    motor = life(batch=5)
    panel = opened(window, qtbot, live(motor), "universes")
    assert isinstance(panel, UniversesPanel)
    qtbot.waitUntil(lambda: panel.caption.text() == "step 0: 5 universes; universe 0 is displayed")
    assert panel.watch.result is not None
    assert (panel.watch.result.values["alive"] == motor.cells[:, 0].numpy()).all()
    sheet = panel.sheet.sheet
    assert sheet is not None
    top, left = sheet.place(3)
    at = QPoint(round(left + sheet.tile[1] / 2), round(top + sheet.tile[0] / 2))
    qtbot.mouseClick(panel.sheet, Qt.MouseButton.LeftButton, pos=at)
    assert window.controller.model.view_settings is not None
    assert window.controller.model.view_settings.universe == 3
    assert panel.caption.text().endswith("universe 3 is displayed")
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.universe == 3)


def test_one_universe_has_no_tiles(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, live(life()), "universes")
    qtbot.waitUntil(lambda: panel.nothing.text().startswith("There is one universe."))


def test_tiles_of_a_recording_have_its_colours(window: Window, qtbot: QtBot, tmp_path: Any) -> None:
    source = open_recording(record_nca(tmp_path / "nca.h5", batch=3))
    panel = opened(window, qtbot, source, "universes")
    qtbot.waitUntil(lambda: "3 universes" in panel.caption.text())
    assert panel.watch.result.values["rgb"].shape == (3, 3, 12, 20)


def test_three_slices_go_through_one_cell_and_move_with_the_canvas(window: Window, qtbot: QtBot) -> None:
    motor = shift(6, 8, 10)
    panel = opened(window, qtbot, live(motor), "slices")
    assert isinstance(panel, SlicesPanel)
    cells = motor.cells[0, 0].numpy()

    def all_of(z: int, y: int, x: int) -> bool:
        shown = [picture.watch.result for picture in panel.pictures]
        wanted = (cells[z], cells[:, y], cells[:, :, x])
        return all(
            one is not None and one.values["channel_0"].shape == plane.shape and (one.values["channel_0"] == plane).all()
            for one, plane in zip(shown, wanted, strict=True)
        )

    qtbot.waitUntil(lambda: all_of(3, 4, 5))
    window.controller.next_slice()
    qtbot.waitUntil(lambda: all_of(4, 4, 5))
    picture = panel.pictures[1]  # across y: z down, x to the right
    qtbot.waitUntil(lambda: picture.caption.text() == "y 4, step 0")
    picture.clicked(picture.chart.getViewBox().mapViewToScene(QPointF(7.5, 1.5)))
    qtbot.waitUntil(lambda: all_of(1, 4, 7))
    assert window.controller.model.view_settings is not None
    assert window.controller.model.view_settings.slice == PlaneSlice("z", 1)
    panel.pictures[0].right.setValue(2.5)
    panel.pictures[0].right.sigDragged.emit(panel.pictures[0].right)
    qtbot.waitUntil(lambda: all_of(1, 4, 2))
    assert panel.pictures[2].caption.text() == "x 2, step 0"


def test_a_plane_has_no_slices(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, live(life()), "slices")
    qtbot.waitUntil(lambda: panel.pictures[0].nothing.text() == "Only grids of three dimensions have slices.")
    assert not panel.pictures[1].isVisible()


def test_a_volume_is_turned_by_dragging_and_cut_by_the_slider(window: Window, qtbot: QtBot) -> None:
    motor = shift(6, 8, 10)
    panel = opened(window, qtbot, live(motor), "volume")
    assert isinstance(panel, VolumePanel)
    qtbot.waitUntil(lambda: panel.caption.text() == "step 0: channel_0 above 0.3")
    assert panel.watch.result is not None
    assert (panel.watch.result.values == motor.cells[0, 0].numpy()).all()
    before = panel.volume.colours(100)
    assert before[..., 3].any()
    qtbot.mousePress(panel.volume, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    qtbot.mouseMove(panel.volume, QPoint(90, 60))
    qtbot.mouseRelease(panel.volume, Qt.MouseButton.LeftButton, pos=QPoint(90, 60))
    qtbot.waitUntil(lambda: not (panel.volume.colours(100) == before).all())
    panel.volume.show_volume(panel.watch.result.values, np.zeros((256, 3), np.uint8), (0.0, 1.0), 2.0)
    assert not panel.volume.colours(100)[..., 3].any(), "no cell is above 2"


def test_a_recorded_volume_is_shown_in_space(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    motor = shift(6, 8, 10)
    with Recorder(motor, tmp_path / "volume.h5", fields=["channel_0"]):
        motor.step(3)
    motor.close()
    panel = opened(window, qtbot, open_recording(tmp_path / "volume.h5"), "volume")
    qtbot.waitUntil(lambda: panel.caption.text() == "step 0: channel_0 above 0.3")
    assert panel.watch.result.values.shape == (6, 8, 10)


def test_past_frames_are_a_stack(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, live(life()), "past")
    assert isinstance(panel, PastFramesPanel)
    qtbot.waitUntil(lambda: panel.watch.result is not None)
    window.controller.step_many(5)
    qtbot.waitUntil(lambda: panel.caption.text().startswith("steps 0 to 5, the newest on top"))
    assert panel.watch.result is not None
    assert panel.watch.result.values.shape == (6, 24, 32)


def test_a_plane_is_not_shown_in_space(window: Window, qtbot: QtBot) -> None:
    panel = opened(window, qtbot, live(life()), "volume")
    qtbot.waitUntil(lambda: panel.nothing.text().startswith("Only grids of three dimensions"))


def test_levels_end_at_the_highest_value_but_for_states() -> None:
    values, field = np.array([[[0.0, 0.2]]]), FieldChoice("u", "", "1", (0, 1), "ember")
    assert levels_for(values, field, (0.0, 1.0)) == (0.0, 0.2)
    assert levels_for(np.zeros((1, 1, 1)), field, (0.0, 1.0)) == (0.0, 1.0)
    assert levels_for(values, replace(field, colours="#000000 #ffffff #00ff00"), (0.0, 2.0)) == (0.0, 2.0)
