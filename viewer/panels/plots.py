"""Plots panel: observables over time, one below the other, with a common axis of steps."""

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from viewer.controllers.controller import Controller
from viewer.model.status import Status
from viewer.model.time_series import Quantity
from viewer.panels.panel import Panel
from viewer.panels.plotting import CURVES
from viewer.panels.series_plot import PlotPens, SeriesPlot, spoken
from viewer.sources.source import FrameSource
from viewer.widgets import theme
from viewer.widgets.accessibility import accessible
from viewer.widgets.file_dialogs import ask_where_to_save

_ROWS = 5  # smallest height of a plot in lines of text
_HEIGHT = 13  # initial height of the panel in lines of text
_REST_MS = 250  # between two drawings of new data, because drawing the axes takes as long as several frames
_ALL = "All, the displayed one thick"


class PlotsPanel(Panel):
    """Choices of quantities at the left, their plots at the right."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.series = controller.series
        self.boxes: dict[str, QCheckBox] = {}
        self.plots: dict[str, SeriesPlot] = {}
        self.graphs = accessible(pg.GraphicsLayoutWidget(), "Plots")
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setWidget(self.graphs)
        for widget in (self.area, self.graphs):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # no keyboard input
        self.nothing = QLabel()
        self.nothing.setWordWrap(True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.universes = accessible(QComboBox(), "Universes in the plots")
        self.universes.addItems(["The displayed one", _ALL])
        self.universes.setToolTip("Plot only the displayed universe, or all of them")
        self.universes.currentIndexChanged.connect(lambda _: self.draw())
        self.export = QPushButton("Save as &CSV...")
        self.export.clicked.connect(self._save)
        self.export.setToolTip("Save the collected numbers as a table")
        self.clear = QPushButton("C&lear")
        self.clear.clicked.connect(self.series.clear)
        self.clear.setToolTip("Discard the numbers collected so far; dotted lines are runs before the last reset")
        layout = QHBoxLayout(self)
        layout.addWidget(self._choices())
        layout.addWidget(self.area, 1)
        layout.addWidget(self.nothing, 1)
        self.setMinimumHeight(_HEIGHT * self.fontMetrics().lineSpacing())
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._draw_if_late)
        self._late = False
        self.series.listeners.append(self._draw_soon)
        self.draw()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Low at first, to leave room for the cells."""
        return QSize(super().sizeHint().width(), _HEIGHT * self.fontMetrics().lineSpacing())

    def _choices(self) -> QWidget:
        inner = QWidget()
        inner_column = QVBoxLayout(inner)
        inner_column.setContentsMargins(0, 0, 0, 0)
        self._boxes = QVBoxLayout()
        inner_column.addLayout(self._boxes)
        inner_column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        self._area, self._inner, self._buttons = area, inner, QHBoxLayout()
        self._buttons.addWidget(self.export)
        self._buttons.addWidget(self.clear)
        self._left = QWidget()
        column = QVBoxLayout(self._left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(area, 1)
        column.addWidget(self.universes)
        column.addLayout(self._buttons)
        return self._left

    # -- what happens --------------------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        several = source is not None and source.universes > 1
        self.universes.setVisible(several)
        self._fit()
        self.setEnabled(source is not None)
        self.draw()

    def model_changed(self, names: frozenset[str]) -> None:
        if names & {"theme", "view_settings"}:
            self.draw()

    def show_status(self, status: Status) -> None:
        for plot in self.plots.values():
            plot.mark(None if status.frame_index is None else status.step)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        super().showEvent(event)
        self.series.shown = True
        self.draw()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self.series.shown = False

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def _offer(self, quantities: tuple[Quantity, ...]) -> None:
        if tuple(self.boxes) == tuple(q.name for q in quantities):
            return
        for box in self.boxes.values():
            box.deleteLater()
        self.boxes = {}
        for quantity in quantities:
            box = QCheckBox(spoken(quantity.name))
            box.setToolTip(f"{quantity.meaning} [{quantity.unit}]")
            box.setAccessibleDescription(quantity.meaning)
            box.toggled.connect(self._chosen)
            self._boxes.addWidget(box)
            self.boxes[quantity.name] = box
        self._fit()

    def _fit(self) -> None:
        boxes = self._inner.sizeHint().width() + self._area.verticalScrollBar().sizeHint().width()
        universes = self.universes.sizeHint().width() if self.universes.isVisibleTo(self) else 0
        self._left.setFixedWidth(max(boxes, universes, self._buttons.sizeHint().width()))

    def _chosen(self) -> None:
        self.series.choose([name for name, box in self.boxes.items() if box.isChecked()])

    def _save(self) -> None:
        ask_where_to_save(self, "Save numbers", "numbers.csv", {".csv": "Table"}, self.series.save_csv)

    # -- drawing -------------------------------------------------------------------------------------------------

    def _draw_soon(self) -> None:
        """Draws at once what the user asked for; new data only if the last drawing was long enough ago."""
        asked = self.series.chosen != tuple(self.plots) or not self.series.stretches
        self._late = self._rest.isActive() and not asked
        if not self._late:
            self._rest.start()
            self.draw()

    def _draw_if_late(self) -> None:
        if self._late:
            self._draw_soon()

    def draw(self) -> None:
        """Brings the plots up to date."""
        self._offer(self.series.offered)
        chosen = self.series.chosen
        for name, box in self.boxes.items():
            box.blockSignals(True)
            box.setChecked(name in chosen)
            box.blockSignals(False)
        rows = sum(len(run) for run in self.series.stretches)
        self.export.setEnabled(rows > 0)
        self.clear.setEnabled(rows > 0)
        self.area.setVisible(bool(chosen))
        self.nothing.setVisible(not chosen)
        self.nothing.setText("Choose what to plot." if self.boxes else "Open a simulation or a recording first.")
        if not self.isVisible():
            return
        self.graphs.setBackground(theme.colour(self.controller.model.theme, "base"))
        if tuple(self.plots) != chosen:
            self._lay_out(chosen)
        for plot in self.plots.values():
            self._draw(plot)

    def _lay_out(self, chosen: tuple[str, ...]) -> None:
        self.graphs.clear()
        for plot in self.plots.values():
            plot.destroy_soon()
        names = [quantity.name for quantity in self.series.offered]
        units = {quantity.name: quantity.unit for quantity in self.series.offered}
        self.plots = {}
        first: SeriesPlot | None = None
        for row, name in enumerate(chosen):
            plot = SeriesPlot(name, units[name], names.index(name), last=row == len(chosen) - 1)
            plot.belong_to(self.graphs)
            self.graphs.addItem(plot, row, 0)
            if first is None:
                first = plot
            else:
                plot.setXLink(first)
            self.plots[name] = plot
        self.graphs.setMinimumHeight(len(chosen) * _ROWS * self.fontMetrics().lineSpacing())

    def _draw(self, plot: SeriesPlot) -> None:
        settings, model = self.controller.model.view_settings, self.controller.model
        palette = CURVES[model.theme]
        shades = PlotPens(palette[plot.number % len(palette)], theme.colour(model.theme, "dim").name())
        plot.colour(theme.colour(model.theme, "text").name())
        every = self.universes.isVisible() and self.universes.currentIndex() == 1
        plot.show_runs(list(self.series.stretches), settings.universe if settings is not None else 0, every, shades)
