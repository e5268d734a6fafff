"""Inspector panel: values of the cell under the mouse, or of a pinned one."""

import re

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
)

from aetheria.observe.colour_maps import colour_map
from viewer.controllers.controller import Controller
from viewer.controllers.inspect import ChannelTable, channel_table
from viewer.model.frame import CellValues
from viewer.panels.panel import Panel
from viewer.panels.plotting import PlotWidget
from viewer.sources.source import FrameSource
from viewer.widgets import theme
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import set_plain_text

_ROWS, _COLUMNS = 5, 8  # height of the bars, and smallest width, in lines of text
_NOTHING = ChannelTable((), (), np.empty((0, 0)))
_Index = QModelIndex | QPersistentModelIndex


class InspectorPanel(Panel):
    """Position of the cell, the displayed field, and its channels as bars and as a table."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.inspect = controller.inspect
        self.place = accessible(QLabel(), "Position of the cell")
        self.shown = accessible(QLabel(), "Displayed field of the cell")
        for label in (self.place, self.shown):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.pin = QPushButton("&Pin")
        self.pin.setCheckable(True)
        self.pin.setToolTip("Stay at this cell, or follow the mouse again (I, with the mouse over a cell)")
        self.pin.clicked.connect(lambda _: self.inspect.toggle_pin())
        self.model = _Table(self)
        self.table = accessible(QTableView(), "Channels of the cell")
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setShowGrid(False)
        self.bars = accessible(_Bars(), "Channels of the cell as bars")
        self._lay_out()
        self.inspect.listeners.append(self._draw)
        self.model_changed(frozenset({"theme", "pinned"}))
        self._draw()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.place, 1)
        row.addWidget(self.pin)
        column = QVBoxLayout(self)
        column.addLayout(row)
        column.addWidget(self.shown)
        column.addWidget(self.bars)
        column.addWidget(self.table, 1)

    # -- updates -------------------------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        self.setEnabled(source is not None)

    def hovered(self, y: int, x: int) -> None:
        self.inspect.hover(y, x)

    def model_changed(self, names: frozenset[str]) -> None:
        if "theme" in names:
            self.bars.paint_in(
                theme.colour(self.controller.model.theme, "base"), theme.colour(self.controller.model.theme, "dim")
            )
        if "pinned" in names:
            self.pin.setChecked(self.controller.model.pinned is not None)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        super().showEvent(event)
        self.inspect.wanted = True

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self.inspect.wanted = False

    def _draw(self) -> None:
        cell = self.inspect.cell
        self.pin.setEnabled(cell is not None)
        if cell is None:
            self.place.setText("Move the mouse over the cells.")
            self.shown.clear()
            self.model.fill(_NOTHING)
            self.bars.hide()
            return
        plane = self.controller.plane
        self.place.setText(f"y {cell.y}, x {cell.x}" if plane is None else plane.position(cell.y, cell.x))
        set_plain_text(self.shown, "\n".join(self._in_words(cell)))
        found = channel_table(cell)
        self.model.fill(found)
        self.bars.setVisible(len(found.names) > 1 and cell.channels.size > 0)
        if self.bars.isVisibleTo(self):
            self.bars.draw(cell)

    def _in_words(self, cell: CellValues) -> list[str]:
        source, choice = self.controller.source, self.controller.choice
        universe = f", universe {cell.universe}" if source is not None and source.universes > 1 else ""
        words = [f"step {cell.step:,}{universe}"]
        if choice is not None and choice.name in cell.fields:
            unit = "" if choice.unit == "1" else f" {choice.unit}"
            words.append(f"{choice.name}: {', '.join(f'{value:.6g}' for value in cell.fields[choice.name])}{unit}")
        return words


class _Table(QAbstractTableModel):
    """Table model of the values; Qt asks only for visible ones."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._values = _NOTHING

    def fill(self, found: ChannelTable) -> None:
        """Shows other values."""
        same = (found.columns, found.names) == (self._values.columns, self._values.names)
        if not same:
            self.beginResetModel()
        self._values = found
        if not same:
            self.endResetModel()
        elif found.names:
            self.dataChanged.emit(self.index(0, 0), self.index(len(found.names) - 1, len(found.columns) - 1))

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - as Qt has it
        return 0 if parent.isValid() else len(self._values.names)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self._values.columns)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        value = self._values.values[index.row(), index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _short(value) if index.column() == 0 or not np.isnan(value) else ""
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self._values.names[index.row()]}, {self._values.columns[index.column()]}: {value:.9g}"
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: N802
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        across = orientation == Qt.Orientation.Horizontal
        return (self._values.columns if across else self._values.names)[section]


class _Bars(PlotWidget):
    """A bar for each channel; for an amplitude its magnitude, in the colour of its phase."""

    def __init__(self) -> None:
        super().__init__()
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.bars = pg.BarGraphItem(x=[0], height=[0], width=0.8)
        self.addItem(self.bars)
        self.getAxis("bottom").setTickSpacing(10, 1)
        self.getAxis("left").enableAutoSIPrefix(False)
        self._span: tuple[float, float] | None = None
        self._plain = QColor()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        row = self.fontMetrics().lineSpacing()
        return QSize(_COLUMNS * row, _ROWS * row)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return self.sizeHint()

    def paint_in(self, ground: QColor, ink: QColor) -> None:
        """Takes the colours of a theme."""
        self.setBackground(ground)
        self._plain = ink
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(ink)
            self.getAxis(side).setTextPen(ink)

    def draw(self, cell: CellValues) -> None:
        """Draws the channels of a cell; the scale grows at once, and shrinks when it is much too large."""
        heights, brushes = cell.channels, [self._plain] * cell.channels.size
        if cell.d_state is not None:
            re, im = cell.channels[: cell.d_state], cell.channels[cell.d_state :]
            heights, brushes = np.hypot(re, im), [QColor(*map(int, c)) for c in _phase_colours(np.arctan2(im, re))]
        heights = np.nan_to_num(heights, posinf=0.0, neginf=0.0)
        low, high = min(0.0, float(heights.min())), max(0.0, float(heights.max()))
        before = self._span
        if before is None or low < before[0] or high > before[1] or high - low < 0.4 * (before[1] - before[0]):
            self._span = (low, high) if high > low else (0.0, 1.0)
            self.setYRange(*self._span, padding=0.08)
        self.setXRange(-0.5, heights.size - 0.5, padding=0.02)
        self.bars.setOpts(x=np.arange(heights.size), height=heights, brushes=brushes, pen=None)


def _short(value: float) -> str:
    """Three digits; the tooltip has them all."""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.3g}"
    return re.sub(r"e-0*", "e-", f"{value:.1e}")


def _phase_colours(phase: NDArray[np.float64]) -> NDArray[np.uint8]:
    turn = np.nan_to_num((phase / (2 * np.pi) + 0.5) * 256) % 256
    return colour_map("phase")[turn.astype(int)]
