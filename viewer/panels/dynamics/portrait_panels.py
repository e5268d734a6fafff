"""Panels of observables against each other: the phase portrait and the Poincare section."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel

from aetheria.core.printable import counted
from viewer.controllers.controller import Controller
from viewer.dynamics.portrait import PortraitView, Trajectory, section
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.charts import Chart
from viewer.panels.plotting import CURVES
from viewer.panels.series_plot import spoken
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible

_LARGEST = 1e15  # of a level
_NAME = 15  # letters of the longest names of observables


class _ObservablesPanel(DynamicsPanel[Trajectory]):
    """A chart of two observables, with a choice of them and of further ones.

    Attributes:
        view: samples the chosen observables.
        choices: the boxes that choose them.
        second_row: of choices, below the first.
    """

    def __init__(self, controller: Controller, name: str, labels: tuple[str, ...]) -> None:
        self.view, self.chart = PortraitView(), Chart("", "")
        super().__init__(controller, self.view, self.chart, name)
        self.second_row = QHBoxLayout()
        self.choices = [accessible(QComboBox(), f"{name}: {label}") for label in labels]
        for label, box in zip(labels, self.choices, strict=True):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(_NAME)
            box.setMinimumWidth(6 * self.fontMetrics().horizontalAdvance("0"))  # in a narrow window
            box.activated.connect(lambda _: self._chosen())
            row = self.row if label in ("across", "up") else self.second_row
            row.addWidget(QLabel(label))
            row.addWidget(box)

    def show_source(self, source: FrameSource | None) -> None:
        names = () if source is None else source.observables
        for number, box in enumerate(self.choices):
            before = box.currentData()
            with QSignalBlocker(box):
                box.clear()
                for name in names:
                    box.addItem(spoken(name), name)
                box.setCurrentIndex(names.index(before) if before in names else min(number, len(names) - 1))
            box.setEnabled(bool(names))
        self._chosen()

    def _chosen(self) -> None:
        self.view.names = tuple(box.currentData() for box in self.choices if box.currentData() is not None)
        for side, box in zip(("bottom", "left"), self.choices, strict=False):
            self.chart.setLabel(side, box.currentText())
        self.chart.enableAutoRange()

    def names(self) -> list[str]:
        """The chosen observables, in the order of the choices."""
        return [box.currentData() for box in self.choices]

    def ready(self, result: Trajectory) -> bool:
        """Whether a result is of what is chosen now."""
        return set(self.names()) <= set(result.names)


class PortraitPanel(_ObservablesPanel):
    """The way of a run through the plane of two observables; its present place is marked."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller, "Phase portrait", ("across", "up"))
        self.curve = self.chart.plot()
        self.place = self.chart.plot(symbol="o", pen=None)

    def draw(self, result: Trajectory) -> str:
        name = self.controller.model.theme
        self.chart.colour(name)
        if not self.ready(result):
            return ""
        x, y = (result.values_of(chosen) for chosen in self.names())
        self.curve.setPen(pg.mkPen(CURVES[name][1], width=1))
        self.curve.setData(x, y, connect=np.append(result.neighbours, False).astype(np.int32))
        self.place.setData(x[-1:], y[-1:])
        self.place.setSymbolBrush(CURVES[name][0])
        self.place.setSymbolPen(None)
        return f"steps {result.steps[0]:,} to {result.steps[-1]:,}"


class SectionPanel(_ObservablesPanel):
    """Two observables at the moments at which a third crosses a level upwards.

    Attributes:
        level: the level; grey while it is the mean of the third observable.
        at_mean: the level is the mean.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller, "Poincare section", ("across", "up", "where"))
        self.points = self.chart.plot(pen=None, symbol="o", symbolSize=5)
        self.at_mean = QCheckBox("its mean")
        self.at_mean.setChecked(True)
        self.at_mean.toggled.connect(lambda _: self.update_picture())
        self.level = accessible(QDoubleSpinBox(), "Level that is crossed upwards")
        self.level.setRange(-_LARGEST, _LARGEST)
        self.level.setDecimals(4)
        self.level.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.level.setMaximumWidth(12 * self.fontMetrics().horizontalAdvance("0"))
        self.level.setMinimumWidth(9 * self.fontMetrics().horizontalAdvance("0"))
        self.level.valueChanged.connect(lambda _: self.update_picture())
        for widget in (QLabel("rises to"), self.level, self.at_mean):
            self.second_row.addWidget(widget)
        self.second_row.addStretch(1)
        self.column.addLayout(self.second_row)

    def draw(self, result: Trajectory) -> str:
        name = self.controller.model.theme
        self.chart.colour(name)
        self.level.setEnabled(not self.at_mean.isChecked())
        if not self.ready(result):
            return ""
        across, up, trigger = self.names()
        if self.at_mean.isChecked():
            with QSignalBlocker(self.level):
                self.level.setValue(float(np.nan_to_num(np.mean(result.values_of(trigger)))))
        found = section(result, across, up, trigger, self.level.value())
        self.points.setSymbolBrush(CURVES[name][0])
        self.points.setSymbolPen(None)
        self.points.setData(found[:, 0], found[:, 1])
        return f"{counted(len(found), 'crossing')} in steps {result.steps[0]:,} to {result.steps[-1]:,}"
