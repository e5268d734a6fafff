"""The panels of brushes and of the law, in the real window, offscreen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from aetheria import MLP, GrowingNCA, Lenia, law_from_rule
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from tests.viewer.fakes import life, live
from viewer.panels.law import LawPanel, _NumberRow, _TextRow
from viewer.panels.number import NumberInput
from viewer.panels.tools_panel import ToolsPanel
from viewer.sources.live import LiveSource
from viewer.window.window import Window

Key = Qt.Key


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    yield window
    window.close()


def opened(window: Window, qtbot: QtBot, motor: Aetheria_Motor) -> Aetheria_Motor:
    window.controller.open(live(motor))
    qtbot.waitUntil(lambda: window.controller.frame is not None and bool(window.controller.tools.stamps))
    return motor


def tools(window: Window) -> ToolsPanel:
    panel = window.panels["tools"]
    assert isinstance(panel, ToolsPanel)
    return panel


def law(window: Window) -> LawPanel:
    panel = window.panels["law"]
    assert isinstance(panel, LawPanel)
    return panel


def click(qtbot: QtBot, widget: QWidget) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def typed(qtbot: QtBot, field: QWidget, text: str) -> None:
    field.setFocus()
    select_all: Callable[[], None] = field.selectAll  # type: ignore[attr-defined]  # of both kinds of field
    select_all()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Key.Key_Return)


# -- tools -----------------------------------------------------------------------------------------------------------


def test_buttons_and_keys_take_the_same_brushes_in_hand(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, life())
    panel = tools(window)
    click(qtbot, panel.buttons["erase"])
    assert window.controller.model.tool == "erase"
    qtbot.keyClick(window.canvas, Key.Key_D)
    assert panel.buttons["draw"].isChecked()
    assert not panel.buttons["erase"].isChecked()
    click(qtbot, panel.buttons["pan"])
    assert window.controller.model.tool == "pan"


def test_only_brushes_that_make_sense_can_be_taken_and_the_others_say_why(window: Window, qtbot: QtBot) -> None:
    panel = tools(window)
    assert not panel.isEnabled()
    opened(window, qtbot, life())
    assert panel.buttons["draw"].isEnabled()
    for phase in ("vortex", "wave"):
        assert not panel.buttons[phase].isEnabled()
        assert "complex amplitudes" in panel.buttons[phase].toolTip()
        assert not window.actions_by_name[f"tools.{phase}"].isEnabled()
    opened(window, qtbot, Aetheria_Motor(MLP(2), 32, 2, "cpu", {"plan": "eager"}))
    assert panel.buttons["vortex"].isEnabled()
    assert window.actions_by_name["tools.vortex"].isEnabled()
    assert "(W)" in panel.buttons["vortex"].toolTip()


def test_each_brush_shows_what_it_can_be_told(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, Aetheria_Motor(MLP(2), 32, 2, "cpu", {"plan": "eager"}))
    panel = tools(window)

    def shown() -> set[str]:
        names = ("size_field", "strength", "charge", "wavelength", "angle", "pattern_page")
        return {name for name in names if getattr(panel, name).isVisible()}

    assert shown() == set()
    for key, wanted in (
        (Key.Key_D, {"size_field", "strength"}),
        (Key.Key_W, {"size_field", "strength", "charge"}),
        (Key.Key_Q, {"size_field", "strength", "wavelength", "angle"}),
        (Key.Key_S, {"strength", "pattern_page"}),
    ):
        qtbot.keyClick(window.canvas, key)
        assert shown() == wanted
    opened(window, qtbot, life())
    qtbot.keyClick(window.canvas, Key.Key_D)
    assert shown() == {"size_field"}
    qtbot.keyClick(window.canvas, Key.Key_X)
    assert shown() == {"size_field", "strength"}


def test_fields_and_sliders_change_the_brush(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, Aetheria_Motor(MLP(2), 32, 2, "cpu", {"plan": "eager"}))
    panel, model = tools(window), window.controller.model
    qtbot.keyClick(window.canvas, Key.Key_Q)
    typed(qtbot, panel.size_field.field, "37")
    typed(qtbot, panel.strength.field, "40")
    typed(qtbot, panel.wavelength.field, "7.5")
    typed(qtbot, panel.angle.field, "-30")
    qtbot.keyClick(window.canvas, Key.Key_W)
    typed(qtbot, panel.charge.field, "-2")
    brush = model.brush
    assert (brush.size, brush.strength, brush.wavelength, brush.angle, brush.charge) == (37, 0.4, 7.5, -30, -2)
    panel.size_field.slider.setValue(1000)
    assert model.brush.size == 512
    panel.size_field.slider.setValue(0)
    assert model.brush.size == 1


def test_a_pattern_is_chosen_turned_and_stamped(window: Window, qtbot: QtBot) -> None:
    motor = opened(window, qtbot, life(initial=torch.zeros(1, 24, 32)))
    panel = tools(window)
    qtbot.keyClick(window.canvas, Key.Key_S)
    assert [panel.patterns.item(row).text() for row in range(panel.patterns.count())] == [
        stamp.name for stamp in window.controller.tools.stamps
    ]
    row = next(row for row in range(panel.patterns.count()) if panel.patterns.item(row).text() == "Lightweight spaceship")
    panel.patterns.setCurrentRow(row)
    qtbot.keyClick(window.canvas, Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    size = panel.patterns.iconSize()  # of every icon, or turning one would leave a part of its label behind
    assert {panel.patterns.item(k).icon().actualSize(size * 2) for k in range(panel.patterns.count())} == {size}
    window.controller.tools.press(12.5, 16.5)
    qtbot.waitUntil(lambda: int(motor.cells.sum()) == 9)
    rows, columns = motor.cells[0, 0].nonzero().unbind(1)
    assert (rows.max() - rows.min(), columns.max() - columns.min()) == (4, 3)  # it lies 4 x 5, and stands 5 x 4


def test_a_pattern_comes_from_a_file_by_a_dialog(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    opened(window, qtbot, life())
    (tmp_path / "block.rle").write_text("#N Block\n2o$2o!")
    qtbot.keyClick(window.canvas, Key.Key_S)
    tools(window)._ask_for_pattern()
    dialog = tools(window).findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path / "block.rle"))
    dialog.close()
    qtbot.waitUntil(lambda: window.controller.model.brush.pattern == "Block")
    assert tools(window).patterns.currentItem().text() == "Block"


def test_undo_and_redo_can_be_clicked_when_there_is_something(window: Window, qtbot: QtBot) -> None:
    motor = opened(window, qtbot, life(initial=torch.zeros(1, 24, 32)))
    panel = tools(window)
    assert not panel.undo.isEnabled()
    window.controller.tools.draw()
    window.controller.tools.press(5, 5)
    window.controller.tools.release(5, 5)
    qtbot.waitUntil(panel.undo.isEnabled)
    assert motor.cells.any()
    click(qtbot, panel.undo)
    qtbot.waitUntil(panel.redo.isEnabled)
    assert not motor.cells.any()
    click(qtbot, panel.redo)
    qtbot.waitUntil(lambda: bool(motor.cells.any()))


def test_all_universes_are_offered_where_there_are_several(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, life())
    assert not tools(window).everywhere.isVisible()
    opened(window, qtbot, life(batch=2))
    assert tools(window).everywhere.isVisible()
    tools(window).everywhere.click()
    assert window.controller.model.brush.everywhere


# -- law -------------------------------------------------------------------------------------------------------------


def rule_row(window: Window) -> _TextRow:
    row = law(window).rows["rule"]
    assert isinstance(row, _TextRow)
    return row


def number_row(window: Window, name: str) -> _NumberRow:
    row = law(window).rows[name]
    assert isinstance(row, _NumberRow)
    return row


def test_a_rule_is_typed_chosen_and_reset_while_the_run_goes_on(window: Window, qtbot: QtBot) -> None:
    motor = opened(window, qtbot, life())
    window.controller.toggle_play()
    row = rule_row(window)
    typed(qtbot, row.text, "b2/s")
    qtbot.waitUntil(lambda: motor.get_control("rule") == "B2/S")
    qtbot.waitUntil(lambda: row.known.currentText().startswith("Seeds"))
    row.known.setCurrentIndex(row.known.findData("B36/S23"))
    row.known.activated.emit(row.known.currentIndex())
    qtbot.waitUntil(lambda: motor.get_control("rule") == row.text.text() == "B36/S23" and row.reset.isEnabled())
    click(qtbot, row.reset)
    qtbot.waitUntil(lambda: motor.get_control("rule") == row.text.text() == "B3/S23")
    assert window.controller.source is not None
    assert window.controller.source.status().playing


def test_a_wrong_rule_is_told_beside_the_field_and_the_run_goes_on(window: Window, qtbot: QtBot) -> None:
    motor = opened(window, qtbot, life())
    window.controller.toggle_play()
    row = rule_row(window)
    typed(qtbot, row.text, "B9/S")
    qtbot.waitUntil(lambda: row.problem.isVisible())
    assert "it looks Life-like, but births: a cell has 8 neighbours, not 9" in row.problem.text()
    assert row.text.text() == "B9/S"
    steps = motor.step_count
    qtbot.waitUntil(lambda: motor.step_count > steps)
    assert motor.get_control("rule") == "B3/S23"
    click(qtbot, row.reset)
    qtbot.waitUntil(lambda: not row.problem.isVisible())
    assert row.text.text() == "B3/S23"


def test_what_is_no_rule_is_marked_while_it_is_typed_and_esc_restores_the_running_one(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, life())
    row = rule_row(window)
    row.text.setFocus()
    row.text.selectAll()
    qtbot.keyClicks(row.text, "345/2/4x")
    assert row.problem.text().startswith("⚠ Not a rule: ")
    assert "border" in row.text.styleSheet()
    assert row.explained.text() == ""
    qtbot.keyClick(row.text, Key.Key_Backspace)
    assert (row.problem.isVisible(), row.text.styleSheet()) == (False, "")
    assert row.explained.text() == "Generations: two-state rule with decaying cells, exact"
    qtbot.keyClick(row.text, Key.Key_Slash)
    qtbot.keyClick(row.text, Key.Key_Escape)
    assert (row.text.text(), row.problem.isVisible(), row.text.styleSheet()) == ("B3/S23", False, "")
    assert row.explained.text().startswith("Life-like: two-state rule on the Moore neighbourhood")
    typed(qtbot, row.text, "B9/S")
    qtbot.waitUntil(lambda: row.problem.text().startswith("⚠ Refused"))
    row.text.setFocus()
    qtbot.keyClick(row.text, Key.Key_Escape)
    assert (row.text.text(), row.problem.isVisible(), row.text.styleSheet()) == ("B3/S23", False, "")


def test_a_rule_of_another_family_changes_the_law_and_its_states_can_be_drawn(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, life())
    assert not tools(window).states.isVisible()
    typed(qtbot, rule_row(window).text, "345/2/4")
    qtbot.waitUntil(lambda: len(tools(window).states.buttons) == 4)
    assert window.controller.tools.target is not None
    window.docks["tools"].raise_()
    strip = tools(window).states
    assert [button.accessibleName() for button in strip.buttons] == [f"State {state}" for state in range(4)]
    assert strip.buttons[1].isChecked()
    click(qtbot, strip.buttons[3])
    assert (window.controller.model.brush.state, window.controller.model.tool) == (3, "draw")
    window.controller.model.change_brush(size=3)
    window.controller.tools.press(10.5, 10.5)
    window.controller.tools.release(10.5, 10.5)
    source = window.controller.source
    assert isinstance(source, LiveSource)
    qtbot.waitUntil(lambda: bool((source.motor.cells[0, 0, 9:12, 10] == 3).all()))
    assert source.motor.traits.name == "Generations"


def test_the_boundary_is_chosen_from_those_of_the_law_or_typed_and_a_refusal_says_why(window: Window, qtbot: QtBot) -> None:
    config = RunConfig.checked(
        {"steps": 9, "grid": {"height": 24, "width": 32}, "law": {"name": "Life"}, "motor": {"plan": "eager"}}, ""
    )
    window.controller.open(live(build_motor(config), config=config))

    def row() -> _TextRow:
        found = law(window).rows["boundary"]
        assert isinstance(found, _TextRow)
        return found

    assert (row().text.text(), row().known.currentText()) == ("periodic", "Torus  periodic")
    row().known.setCurrentIndex(row().known.findData("klein-x"))
    row().known.activated.emit(row().known.currentIndex())
    qtbot.waitUntil(lambda: row().text.text() == "klein-x" and row().known.currentData() == "klein-x")
    typed(qtbot, row().text, "sphere")
    qtbot.waitUntil(lambda: row().problem.isVisible())
    assert 'grid 24 x 32: boundary "sphere" joins neighbouring edges; expected a square grid' in row().problem.text()
    typed(qtbot, row().text, "walls")
    qtbot.waitUntil(lambda: '"walls" given; expected one of periodic, zero, reflect' in row().problem.text())
    qtbot.keyClick(row().text, Key.Key_Escape)
    assert (row().text.text(), row().problem.isVisible()) == ("klein-x", False)
    typed(qtbot, row().text, "periodic-x+3")
    qtbot.waitUntil(lambda: row().text.text() == "periodic-x+3" and row().known.currentText() == "")
    assert isinstance(window.controller.source, LiveSource)
    assert window.controller.source.motor.traits.boundary == "periodic-x+3"


def test_laws_of_many_states_have_a_number_instead_of_a_strip(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, Aetheria_Motor(law_from_rule("0/2/200"), 32, 1, "cpu", {"plan": "eager"}))
    strip = tools(window).states
    assert strip.buttons == []
    assert strip.number is not None
    strip.number.chosen.emit(150.0)
    assert window.controller.model.brush.state == 150
    opened(window, qtbot, life())
    assert (strip.number, strip.buttons) == (None, [])


def test_a_number_is_slid_typed_refused_and_reset(window: Window, qtbot: QtBot) -> None:
    motor = opened(window, qtbot, Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu", {"plan": "eager"}))
    assert list(law(window).rows) == ["m", "s", "T", "boundary"]
    row = number_row(window, "T")
    assert row.number.value() == 10
    assert not law(window).reset_all.isEnabled()
    row.number.slider.setValue(1000)
    qtbot.waitUntil(lambda: motor.get_control("T") == 50)
    typed(qtbot, row.number.field, "80")  # more than the slider offers
    qtbot.waitUntil(lambda: motor.get_control("T") == 80)
    assert row.number.slider.value() == 1000
    typed(qtbot, row.number.field, "-5")
    qtbot.waitUntil(lambda: row.problem.isVisible())
    assert motor.get_control("T") == 80
    click(qtbot, row.reset)
    qtbot.waitUntil(lambda: motor.get_control("T") == 10 and not row.problem.isVisible())
    typed(qtbot, number_row(window, "s").number.field, "0.0212")
    qtbot.waitUntil(lambda: motor.get_control("s") == 0.0212 and law(window).reset_all.isEnabled())
    click(qtbot, law(window).reset_all)
    qtbot.waitUntil(lambda: motor.get_control("s") == 0.015)
    qtbot.waitUntil(lambda: not law(window).reset_all.isEnabled())


def test_typing_in_a_field_neither_steps_nor_plays(window: Window, qtbot: QtBot) -> None:
    motor = opened(window, qtbot, Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu", {"plan": "eager"}))
    speed = window.controller.model.speed
    field = number_row(window, "m").number.field
    typed(qtbot, field, "0.-12")  # each a shortcut elsewhere: 0 . - Return
    typed(qtbot, field, "0.12")
    qtbot.waitUntil(lambda: motor.get_control("m") == 0.12)
    assert motor.step_count == 0
    assert window.controller.model.speed == speed
    assert window.controller.source is not None
    assert not window.controller.source.status().playing


def test_the_rows_are_those_of_the_law_that_is_open(window: Window, qtbot: QtBot) -> None:
    assert not law(window).rows
    assert law(window).nothing.isVisible()
    opened(window, qtbot, Aetheria_Motor(GrowingNCA(), 32, 16, "cpu", {"plan": "eager"}))
    assert list(law(window).rows) == ["fire_rate", "boundary"]
    opened(window, qtbot, Aetheria_Motor(MLP(1), 32, 1, "cpu", {"plan": "eager"}))
    assert list(law(window).rows) == ["decay", "boundary"]
    opened(window, qtbot, Aetheria_Motor(torch.nn.Identity(), 32, 1, "cpu", {"plan": "eager"}))
    assert not law(window).rows
    assert "no parameters" in law(window).nothing.text()
    window.controller.close()
    assert "Nothing is open" in law(window).nothing.text()


def test_everything_that_can_be_focused_has_a_name(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu", {"plan": "eager"}))
    for panel in (tools(window), law(window)):
        for widget in panel.findChildren(QWidget):
            inner = widget.parent()
            named_by_parent = isinstance(inner, QWidget) and bool(inner.accessibleName())
            text = widget.property("text")
            if widget.focusPolicy() != Qt.FocusPolicy.NoFocus and not named_by_parent:
                assert widget.accessibleName() or text, widget


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_a_slider_of_factors_has_the_geometric_mean_in_its_middle(qtbot: QtBot) -> None:
    number = NumberInput("Size", 1, 100, logarithmic=True)
    qtbot.addWidget(number)
    chosen: list[float] = []
    number.chosen.connect(chosen.append)
    number.slider.setValue(500)
    assert chosen == [10]
    number.show_value(100)
    assert (number.slider.value(), number.value(), chosen) == (1000, 100, [10])


# -- where they are --------------------------------------------------------------------------------------------------


def test_a_key_brings_a_panel_to_the_front_and_only_then_puts_it_away(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, life())
    docks = window.docks

    def settles(name: str, in_front: bool) -> None:
        dock = docks[name]
        qtbot.waitUntil(lambda: (dock.isVisible() and not dock.visibleRegion().isEmpty()) == in_front)
        qtbot.waitUntil(lambda: window.dock_layout._seen.get(dock, False) == in_front)

    settles("tools", True)
    settles("law", False)
    for wanted in (True, False, True):
        qtbot.keyClick(window.canvas, Key.Key_4, Qt.KeyboardModifier.ControlModifier)
        settles("law", wanted)


def test_changes_are_listed_in_the_panel_of_the_law(window: Window, qtbot: QtBot) -> None:
    opened(window, qtbot, life())
    typed(qtbot, rule_row(window).text, "B2/S")
    changes = law(window).changes
    qtbot.waitUntil(lambda: changes.count() == 1)
    assert changes.item(0).text() == "step 0: rule = B2/S"
    window.controller.reset()
    qtbot.waitUntil(lambda: changes.count() == 0)
    assert rule_row(window).text.text() == "B3/S23"
