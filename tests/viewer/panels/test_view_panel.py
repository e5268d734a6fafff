"""The panel of field, colours and levels, in the real window, offscreen."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from aetheria.motor.motor import Aetheria_Motor
from tests.small_laws import small_law
from tests.viewer.fakes import life, live
from viewer.panels.view import ViewPanel
from viewer.window.window import Window


def motor_of(law: str, channels: int, d: int, batch: int = 1) -> Aetheria_Motor:
    cells = torch.randn(batch, channels, 24, 32, generator=torch.Generator().manual_seed(5))
    return Aetheria_Motor(small_law(law), (24, 32), d, "cpu", {"plan": "eager"}, initial=cells, batch=batch)


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    window.controller.open(live(motor_of("MLP", 4, 2)))
    window.show()
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: bool(panel_of(window).low.text()))
    yield window
    window.close()


def panel_of(window: Window) -> ViewPanel:
    panel = window.panels["view"]
    assert isinstance(panel, ViewPanel)
    return panel


def show_field(window: Window, name: str, qtbot: QtBot) -> None:
    window.controller.set_field(name)
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.field == name)


def type_levels(window: Window, low: str, high: str, qtbot: QtBot) -> None:
    panel = panel_of(window)
    for field, text in ((panel.low, low), (panel.high, high)):
        field.setFocus()
        field.selectAll()
        qtbot.keyClick(field, Qt.Key.Key_Delete)
        qtbot.keyClicks(field, text)
    window.canvas.setFocus()


def test_the_field_is_chosen_by_name_and_explained_with_its_component_and_unit(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    panel.field.setFocus()
    index = panel.field.findText("phase_1")
    panel.field.setCurrentIndex(index)
    panel.field.textActivated.emit("phase_1")
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.field == "phase_1")
    assert panel.meaning.text() == "arg psi_1 [rad]"
    assert panel.colours.currentText() == "phase", "a cyclic map for an angle"
    assert panel.unit.text() == "rad"
    qtbot.waitUntil(lambda: panel.high.text() == "3.1416")
    assert panel.low.text() == "-3.1416"


def test_the_histogram_counts_the_cells_in_view(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    show_field(window, "real_0", qtbot)
    seen = window.controller.source.motor.cells[0, 0]  # type: ignore[union-attr]

    def drawn() -> bool:
        x, y = panel.plot.bars.getData()
        return bool(np.isclose(x[-1], float(seen.abs().max()))) and round(float(np.expm1(y).sum())) == seen.numel()

    qtbot.waitUntil(drawn)
    low, high = panel.plot.region.getRegion()
    assert high == -low == pytest.approx(float(seen.abs().max()), rel=1e-6)


def test_a_histogram_that_nobody_sees_is_not_drawn(window: Window, qtbot: QtBot) -> None:
    panel, calls = panel_of(window), list[int]()
    window.docks["view"].hide()
    panel.plot.show_counts = lambda *_: calls.append(1)  # type: ignore[method-assign]
    shown = window.controller.frame
    window.controller.step_many(3)
    qtbot.waitUntil(lambda: window.controller.frame is not shown)
    panel.show_status(window.controller.source.status())  # type: ignore[union-attr]
    assert not calls
    window.docks["view"].show()
    qtbot.waitUntil(lambda: bool(calls))


def test_dragging_a_line_of_the_histogram_locks_the_levels(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    show_field(window, "density", qtbot)
    panel.plot.region.lines[0].setPos(0.25)
    settings = window.controller.model.view_settings
    assert settings is not None
    assert (settings.level_mode, settings.levels and settings.levels[0]) == ("locked", 0.25)
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.levels[0] == 0.25)
    assert panel.mode.currentText() == "Locked"
    assert panel.low.text() == "0.25"


def test_numbers_lock_the_levels_and_nonsense_is_refused_in_words(window: Window, qtbot: QtBot) -> None:
    panel, controller = panel_of(window), window.controller
    type_levels(window, "-2e-1", "1.5", qtbot)
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.levels == (-0.2, 1.5)
    said: list[str] = []
    controller.view.show_message = lambda message: said.append(message.text)  # type: ignore[method-assign]
    for low, high in (("3", "1.5"), ("lots", "4"), ("", "1"), ("nan", "1"), ("0", "inf")):
        type_levels(window, low, high, qtbot)
        assert controller.model.view_settings.levels == (-0.2, 1.5)
        assert said
        assert "expected two numbers" in said.pop()
        qtbot.waitUntil(lambda: (panel.low.text(), panel.high.text()) == ("-0.2", "1.5"))


def test_the_modes_of_levels_follow_panel_and_keys(window: Window, qtbot: QtBot) -> None:
    panel, controller = panel_of(window), window.controller
    show_field(window, "density", qtbot)
    qtbot.waitUntil(lambda: panel._levels() is not None)
    assert not panel.percentile.isVisible()
    panel.mode.setCurrentIndex(2)
    panel.mode.activated.emit(2)
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.level_mode == "percentile"
    assert panel.percentile.isVisible()
    panel.percentile.setValue(10.0)
    assert controller.model.view_settings.percentile == 10.0
    seen = controller.source.motor.read("density").numpy()  # type: ignore[union-attr]
    expected = np.percentile(seen, [10, 90])
    qtbot.waitUntil(lambda: controller.frame is not None and np.allclose(controller.frame.levels, expected, rtol=1e-4))
    qtbot.keyClick(window.canvas, Qt.Key.Key_K)
    assert panel.mode.currentText() == "Locked"
    qtbot.keyClick(window.canvas, Qt.Key.Key_A)
    assert panel.mode.currentText() == "Automatic"


def test_range_symmetric_logarithm_and_gamma_follow_panel_and_keys(window: Window, qtbot: QtBot) -> None:
    panel, controller = panel_of(window), window.controller
    show_field(window, "density", qtbot)
    shift = Qt.KeyboardModifier.ShiftModifier
    for key, mode in ((Qt.Key.Key_A, "Range"), (Qt.Key.Key_P, "Symmetric")):
        qtbot.keyClick(window.canvas, key, shift)
        assert panel.mode.currentText() == mode
    qtbot.keyClick(window.canvas, Qt.Key.Key_K, shift)
    assert (panel.contrast.log.isChecked(), panel.mode.currentText()) == (True, "Range")
    qtbot.waitUntil(lambda: controller.frame is not None and controller.frame.levels[0] > 0)
    type_levels(window, "0", "1", qtbot)
    assert "expected two numbers above 0, the lower one first" in window.banner.text.text()
    panel.contrast.gamma.setValue(0.5)
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.gamma == 0.5
    panel.contrast.log.click()
    assert not controller.model.view_settings.log


def test_three_fields_or_a_blend_are_chosen_in_the_panel(window: Window, qtbot: QtBot) -> None:
    panel, controller = panel_of(window), window.controller
    show_field(window, "density", qtbot)
    rows = panel.mix
    assert not any(row.isVisible() for row in (*rows.others, rows.colours, rows.share))
    qtbot.keyClick(window.canvas, Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
    assert rows.kind.currentText() == "RGB"
    assert all(other.isVisible() for other in rows.others)
    assert not panel.colours.isVisible()
    rows.others[1].setCurrentText("phase_0")
    rows.others[1].textActivated.emit("phase_0")
    qtbot.waitUntil(lambda: controller.frame is not None and controller.frame.mix[-1:] == ("phase_0",))
    rows.kind.setCurrentIndex(2)
    rows.kind.activated.emit(2)
    assert (rows.others[1].isVisible(), rows.colours.isVisible(), panel.colours.isVisible()) == (False, True, True)
    rows.colours.activated.emit(rows.colours.findData("plasma"))
    rows.share.setValue(20)
    settings = controller.model.view_settings
    assert settings is not None
    assert settings.mix is not None
    assert (settings.mix.colours, settings.mix.share) == ("plasma", 0.2)
    qtbot.waitUntil(lambda: controller.frame is not None and controller.frame.mix[0] == "blend")
    show_field(window, "real_0", qtbot)
    settings = controller.model.view_settings
    assert settings is not None
    assert settings.fields[0] == "real_0"


def test_every_colour_map_has_a_swatch_of_its_own_colours(window: Window) -> None:
    from aetheria.observe.colour_maps import COLOUR_MAPS, colour_map

    colours = panel_of(window).colours
    assert [colours.itemText(k) for k in range(colours.count())] == list(COLOUR_MAPS)
    for k, name in enumerate(COLOUR_MAPS):
        image = colours.itemIcon(k).pixmap(colours.iconSize()).toImage()
        first, last = image.pixelColor(0, 2), image.pixelColor(image.width() - 1, 2)
        table = colour_map(name).astype(int)
        for colour, expected in ((first, table[0]), (last, table[-1])):
            assert (colour.red(), colour.green(), colour.blue()) == pytest.approx(tuple(expected), abs=8)


def test_the_colour_map_is_chosen_from_the_list(window: Window) -> None:
    panel = panel_of(window)
    panel.colours.setCurrentText("ice")
    panel.colours.textActivated.emit("ice")
    assert window.controller.model.view_settings is not None
    assert window.controller.model.view_settings.colours == "ice"


def test_only_several_universes_can_be_chosen_from(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    assert not panel.universe.isVisible()
    window.controller.open(live(life(batch=3)))
    assert panel.universe.isVisible()
    panel.universe.setValue(2)
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.universe == 2)
    qtbot.keyClick(window.canvas, Qt.Key.Key_U)
    assert panel.universe.value() == 0


def test_colours_that_are_no_map_leave_nothing_to_set(window: Window, qtbot: QtBot) -> None:
    panel = panel_of(window)
    window.controller.open(live(motor_of("GrowingNCA", 6, 6)))
    show_field(window, "rgb", qtbot)
    panel.show_status(window.controller.source.status())  # type: ignore[union-attr]
    controls = (panel.colours, panel.mode, panel.plot, panel.bar, panel.low, panel.high)
    assert not any(control.isVisible() for control in controls)
    assert panel.field.isVisible()
    show_field(window, "channel_3", qtbot)
    assert all(control.isVisible() for control in controls)
