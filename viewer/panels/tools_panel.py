"""Tools panel: brushes, their settings, patterns and undo."""

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from aetheria.files.patterns import PATTERN_SUFFIXES
from viewer.controllers.actions import ACTIONS
from viewer.controllers.brushes import BRUSHES
from viewer.controllers.controller import Controller
from viewer.controllers.help import without_mnemonic
from viewer.controllers.stamps import Stamp, turned
from viewer.controllers.tools import LARGEST
from viewer.model.brush_settings import BrushSettings
from viewer.model.model import Theme
from viewer.panels.number import NumberInput
from viewer.panels.panel import Panel, scrolled
from viewer.panels.state_strip import StateStrip
from viewer.sources.cell_access import EditableSource
from viewer.sources.source import FrameSource
from viewer.widgets import theme
from viewer.widgets.accessibility import accessible
from viewer.widgets.file_dialogs import ask_what_to_open

_COLUMNS = 2
_ACTIONS = {action.name: action for action in ACTIONS}
_TOOLS: dict[str, str] = {"pan": "tools.pan", "select": "selection.select"}  # their actions
_TOOLS |= {name: f"tools.{name}" for name in BRUSHES}


class ToolsPanel(Panel):
    """A button for each brush; below them its settings."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.tools = controller.tools
        self.buttons: dict[str, QPushButton] = {}
        self.undo, self.redo = self._button("tools.undo", "&Undo"), self._button("tools.redo", "&Redo")
        self.everywhere = QCheckBox("&All universes")
        self.everywhere.setToolTip("Paint in all universes, not only in the displayed one")
        self.everywhere.toggled.connect(lambda wanted: controller.model.change_brush(everywhere=wanted))
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self._tools())
        self.form = QFormLayout()
        self._add_settings()
        column.addLayout(self.form)
        column.addWidget(self._patterns(), 2)
        column.addWidget(self.everywhere)
        row = QHBoxLayout()
        row.addWidget(self.undo)
        row.addWidget(self.redo)
        column.addLayout(row)
        column.addStretch(1)
        self._area = scrolled(self, inner)
        self.tools.listeners.append(self._steered)
        self.show_source(None)

    # -- building ------------------------------------------------------------------------------------------------

    def _tools(self) -> QWidget:
        box = accessible(QWidget(), "Tools")
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(self.fontMetrics().height() // 3)
        group = QButtonGroup(self)
        for place, (name, chosen_by) in enumerate(_TOOLS.items()):
            action = _ACTIONS[chosen_by]
            button = self._button(action.name, f"{without_mnemonic(action.text)} {action.keys[0]}")
            button.setCheckable(True)
            group.addButton(button)
            grid.addWidget(button, place // _COLUMNS, place % _COLUMNS)
            self.buttons[name] = button
        return box

    def _button(self, name: str, text: str) -> QPushButton:
        action = _ACTIONS[name]
        button = QPushButton(text)
        button.setAccessibleName(without_mnemonic(action.text))
        button.setToolTip(f"{action.tip} ({action.keys[0]})")
        # A click leaves the keyboard focus on the canvas: Space plays, and does not press the button again.
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        part, _, called = name.partition(".")
        method = getattr(getattr(self.controller, part), called)
        button.clicked.connect(lambda _checked=False: self._do(method))
        return button

    def _add_settings(self) -> None:
        change_brush = self.controller.model.change_brush
        self.size_field = NumberInput("Size in cells", 1, LARGEST, logarithmic=True)
        self.size_field.chosen.connect(lambda cells: change_brush(size=int(cells)))
        self.strength = NumberInput("Strength in per cent", 1, 100, suffix=" %")
        self.strength.chosen.connect(lambda percent: change_brush(strength=percent / 100))
        self.charge = NumberInput("Charge of the vortex", -4, 4, least=-50, most=50)
        self.charge.chosen.connect(lambda charge: change_brush(charge=int(charge)))
        self.wavelength = NumberInput("Wavelength in cells", 2, 256, decimals=1, most=4096, logarithmic=True)
        self.wavelength.chosen.connect(lambda cells: change_brush(wavelength=cells))
        self.angle = NumberInput("Angle in degrees", -180, 180, suffix="°")
        self.angle.chosen.connect(lambda degrees: change_brush(angle=degrees))
        self.states = StateStrip(self.tools.draw_state)
        self.density = NumberInput("Density of a random fill in per cent", 0, 100, suffix=" %")
        self.density.chosen.connect(lambda percent: change_brush(density=percent / 100))
        self.form.addRow("S&tate", self.states)
        self.form.addRow("Si&ze", self.size_field)
        self.form.addRow("St&rength", self.strength)
        self.form.addRow("&Charge", self.charge)
        self.form.addRow("Wave&length", self.wavelength)
        self.form.addRow("An&gle", self.angle)
        self.form.addRow("&Density", self.density)

    def _patterns(self) -> QWidget:
        self.patterns = accessible(QListWidget(), "Patterns")
        self.patterns.setViewMode(QListView.ViewMode.IconMode)
        self.patterns.setResizeMode(QListView.ResizeMode.Adjust)
        self.patterns.setMovement(QListView.Movement.Static)
        self.patterns.setWordWrap(True)
        self.patterns.currentItemChanged.connect(self._pattern_chosen)
        turn, mirror = self._button("tools.turn", "&Turn"), self._button("tools.mirror", "&Mirror")
        other = QPushButton("From a &file...")
        other.setToolTip("Add a pattern from a file (RLE, .cells, Life, MCell, macrocell)")
        other.clicked.connect(self._ask_for_pattern)
        self.pattern_page = QWidget()
        column = QVBoxLayout(self.pattern_page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.patterns)
        row = QHBoxLayout()
        row.addWidget(turn)
        row.addWidget(mirror)
        column.addLayout(row)
        column.addWidget(other)
        return self.pattern_page

    # -- actions of the user -------------------------------------------------------------------------------------

    def _do(self, method: object) -> None:
        assert callable(method)
        method()
        self._show_tool()

    def _pattern_chosen(self, item: QListWidgetItem | None, before: QListWidgetItem | None) -> None:
        if before is not None:
            self._show_icon(before, BrushSettings())
        if item is not None:
            self.controller.model.change_brush(pattern=item.data(Qt.ItemDataRole.UserRole), turns=0, mirrored=False)

    def _ask_for_pattern(self) -> None:
        ask_what_to_open(self, "Add a pattern", {" *".join(PATTERN_SUFFIXES): "Patterns"}, self.tools.read_stamp)

    # -- updates -------------------------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        self.setEnabled(source is not None)
        editable: object = source
        law = editable.law if isinstance(editable, EditableSource) and not editable.not_edited else None
        self.states.show_states(law.states or 0 if law is not None else 0, law.palette if law is not None else None)
        self.everywhere.setVisible(source is not None and source.universes > 1)
        self._steered()
        self._show_tool()

    def model_changed(self, names: frozenset[str]) -> None:
        if names & {"tool", "brush"}:
            self._show_tool()
        if "tool" in names and self.controller.model.tool == "stamp":
            QTimer.singleShot(0, self, self._scroll_to_patterns)  # once it is laid out
        if "theme" in names:
            self._list_patterns()

    def _steered(self) -> None:
        for name in ("select", *BRUSHES):
            reason = self.tools.why_not(name)
            action = _ACTIONS[_TOOLS[name]]
            self.buttons[name].setEnabled(not reason)
            self.buttons[name].setToolTip(
                f"{action.tip}. Not available: {reason}" if reason else f"{action.tip} ({action.keys[0]})"
            )
        self.undo.setEnabled(self.tools.undoable > 0)
        self.redo.setEnabled(self.tools.redoable > 0)
        if self._listed() != [stamp.name for stamp in self.tools.stamps]:
            self._list_patterns()

    def _show_tool(self) -> None:
        tool, brush = self.controller.model.tool, self.controller.model.brush
        target = self.tools.target
        self.buttons["select" if tool == "paste" else tool].setChecked(True)
        hard = target is not None and target.hard
        self.states.show_state(brush.state)
        self.size_field.show_value(brush.size)
        self.strength.show_value(100 * brush.strength)
        self.charge.show_value(brush.charge)
        self.wavelength.show_value(brush.wavelength)
        self.angle.show_value(brush.angle)
        self.density.show_value(100 * brush.density)
        self.everywhere.setChecked(brush.everywhere)
        self.form.setRowVisible(self.states, bool(self.states.buttons) or self.states.number is not None)
        self.form.setRowVisible(self.size_field, tool in BRUSHES and tool != "stamp")
        self.form.setRowVisible(self.strength, tool in BRUSHES and (not hard or tool == "random"))
        self.form.setRowVisible(self.density, tool in ("select", "paste"))
        self.form.setRowVisible(self.charge, tool == "vortex")
        self.form.setRowVisible(self.wavelength, tool == "wave")
        self.form.setRowVisible(self.angle, tool == "wave")
        self.pattern_page.setVisible(tool == "stamp")
        chosen = self.tools.chosen_stamp
        if chosen is not None and chosen.name in self._listed():
            self.patterns.blockSignals(True)
            self.patterns.setCurrentRow(self._listed().index(chosen.name))
            self.patterns.blockSignals(False)
            self._show_icon(self.patterns.currentItem(), brush)

    def _show_icon(self, item: QListWidgetItem, brush: BrushSettings) -> None:
        name = item.data(Qt.ItemDataRole.UserRole)
        stamp = next((stamp for stamp in self.tools.stamps if stamp.name == name), None)
        if stamp is not None:
            item.setIcon(_icon(stamp, brush, self.controller.model.theme, self.patterns.iconSize()))

    def _scroll_to_patterns(self) -> None:
        """In a low window the patterns lie below what is visible of the panel."""
        bar, page = self._area.verticalScrollBar(), self.pattern_page.geometry()
        if self.pattern_page.isVisible():
            bar.setValue(max(bar.value(), min(page.top(), page.bottom() - self._area.viewport().height())))

    def _listed(self) -> list[str]:
        return [self.patterns.item(row).data(Qt.ItemDataRole.UserRole) for row in range(self.patterns.count())]

    def _list_patterns(self) -> None:
        side = 4 * self.fontMetrics().height()
        self.patterns.setIconSize(QSize(side, side))
        self.patterns.setGridSize(QSize(int(1.7 * side), int(1.8 * side)))
        self.patterns.setMinimumHeight(int(5.6 * side))  # three rows: all that are shipped for a law
        self.patterns.blockSignals(True)
        self.patterns.clear()
        for stamp in self.tools.stamps:
            item = QListWidgetItem(
                _icon(stamp, BrushSettings(), self.controller.model.theme, self.patterns.iconSize()), stamp.name
            )
            item.setData(Qt.ItemDataRole.UserRole, stamp.name)
            height, width = stamp.values.shape
            item.setToolTip(f"{stamp.about}: {width} x {height} cells")
            self.patterns.addItem(item)
        self.patterns.blockSignals(False)
        self._show_tool()


def _icon(stamp: Stamp, brush: BrushSettings, shade: Theme, size: QSize) -> QIcon:
    """The pattern in the text colour, in a square: an item whose icon changes its size leaves its old label behind."""
    values = turned(stamp, brush)
    colour = theme.colour(shade, "text")
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = colour.red(), colour.green(), colour.blue()
    pixels[..., 3] = np.round(255 * values.clip(0, 1))
    height, width = values.shape
    image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    # Whole pixels per cell, so that small patterns are crisp.
    scale = max(1, min(size.width() // width, size.height() // height))
    pixmap = QPixmap.fromImage(image.scaled(width * scale, height * scale))
    if pixmap.width() > size.width() or pixmap.height() > size.height():
        pixmap = pixmap.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
    square = QPixmap(size)
    square.fill(Qt.GlobalColor.transparent)
    painter = QPainter(square)
    painter.drawPixmap((size.width() - pixmap.width()) // 2, (size.height() - pixmap.height()) // 2, pixmap)
    painter.end()
    return QIcon(square)
