"""One plot of the plots panel: a quantity over the steps."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QApplication

from viewer.controllers.series import RATE
from viewer.model.time_series import TimeSeries
from viewer.panels.plotting import CompactAxis, Plot

_MOST = 24  # largest number of universes drawn


class PlotPens:
    """Pens of a plot: for the displayed universe, other universes, and earlier runs."""

    def __init__(self, main: str, dim: str) -> None:
        self.main = pg.mkPen(main, width=2)
        self.other = pg.mkPen(pg.mkColor(main).lighter(70), width=1)
        self.before = pg.mkPen(dim, width=1, style=Qt.PenStyle.DotLine)


class SeriesPlot(Plot):
    """One quantity over the steps."""

    def __init__(self, name: str, unit: str, number: int, last: bool) -> None:
        super().__init__(axisItems={side: _PlotAxis(side) for side in ("left", "bottom")})
        self.name, self.number = name, number
        self.setMouseEnabled(y=False)
        self._called = spoken(name) if unit == "1" or name == RATE else f"{spoken(name)} [{unit}]"
        self._label = pg.LabelItem(self._called, justify="left")  # inside: no room beside the axis
        self._label.setParentItem(self.getViewBox())
        self._label.anchor(itemPos=(0, 0), parentPos=(0, 0), offset=(4, -2))
        self.showGrid(x=True, y=True, alpha=0.15)
        self.setClipToView(True)
        self.setDownsampling(auto=True, mode="peak")
        if last:
            self.setLabel("bottom", "step")
        else:
            self.getAxis("bottom").setStyle(showValues=False)
        self._curves: list[pg.PlotDataItem] = []
        self._mark = pg.InfiniteLine(angle=90)
        self._mark.setVisible(False)
        self.addItem(self._mark, ignoreBounds=True)

    def colour(self, text: str) -> None:
        """Sets the colour of axes and text."""
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        self._mark.setPen(text)
        self._label.setText(self._called, color=text)

    def mark(self, step: int | None) -> None:
        """Draws a line at the present step of a recording."""
        self._mark.setVisible(step is not None)
        if step is not None:
            self._mark.setValue(step)

    def show_runs(self, stretches: list[TimeSeries], universe: int, every: bool, shades: PlotPens) -> None:
        """Draws the displayed universe, or all of them; earlier runs are dotted."""
        wanted: list[tuple[NDArray[np.int64], NDArray[np.float64], object]] = []
        for run in stretches:
            if self.name not in run.names:
                continue
            values = run.values(self.name)
            present = run is stretches[-1]
            others = range(min(values.shape[1], _MOST)) if every and present else ()
            wanted += [(run.steps, values[:, u], shades.other) for u in others if u != universe]
            wanted.append((run.steps, values[:, min(universe, values.shape[1] - 1)], shades.main if present else shades.before))
        while len(self._curves) < len(wanted):
            self._curves.append(self.plot(connect="finite"))
        for curve in self._curves[len(wanted) :]:
            curve.setData([], [])
        for curve, (steps, values, pen) in zip(self._curves, wanted, strict=False):
            curve.setData(steps, values, pen=pen, connect="finite")


class _PlotAxis(CompactAxis):
    """An axis of fixed width, so that the plots stand in line."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.setStyle(maxTickLevel=0)  # grid lines at the numbers only, because drawing lines is slow
        if orientation == "left":
            metrics = QFontMetrics(QApplication.font())
            self.setWidth(metrics.horizontalAdvance("-000.00 k") + metrics.height())


def spoken(name: str) -> str:
    """A name for the user: "Centre x" for "centre_x"."""
    return "Steps/s" if name == RATE else name.replace("_", " ").capitalize()
