"""Histogram of the visible values, with the levels as lines that can be dragged."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSizePolicy

from viewer.model.model import Theme
from viewer.model.palette import Histogram
from viewer.model.view_settings import Levels
from viewer.panels.plotting import CompactAxis, PlotWidget
from viewer.widgets import theme

_ROWS, _COLUMNS = 7, 8  # height, and smallest width, in lines of text


class HistogramPlot(PlotWidget):
    """Counts on a logarithmic scale, because one dead value often outnumbers all others.

    Signals:
        chosen(low, high): the user dragged a level.

    Attributes:
        region: the lines at the levels, and the area between them.
        bars: the counts.
    """

    chosen = Signal(float, float)

    def __init__(self) -> None:
        super().__init__(axisItems={"bottom": CompactAxis("bottom")})
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.hideAxis("left")
        self.bars = pg.PlotCurveItem([0.0, 1.0], [0.0], stepMode="center", fillLevel=0.0)
        self.region = pg.LinearRegionItem(swapMode="block")
        self.region.setZValue(10)
        self.addItem(self.bars)
        self.addItem(self.region)
        self.region.hide()
        self.region.sigRegionChanged.connect(self._dragged)
        self._telling = False
        self._span: Levels | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        row = self.fontMetrics().lineSpacing()
        return QSize(_COLUMNS * row, _ROWS * row)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return self.sizeHint()

    def paint_in(self, name: Theme) -> None:
        """Applies the colours of a theme."""
        accent, dim = theme.colour(name, "accent"), theme.colour(name, "dim")
        self.setBackground(theme.colour(name, "base"))
        self.bars.setPen(None)
        self.bars.setBrush(theme.colour(name, "edge"))
        for line in self.region.lines:
            line.setPen(pg.mkPen(accent, width=2))
            line.setHoverPen(pg.mkPen(theme.colour(name, "text"), width=3))
        self.region.setBrush(_faint(accent, 28))
        self.region.setHoverBrush(_faint(accent, 45))
        axis = self.getAxis("bottom")
        axis.setPen(dim)
        axis.setTextPen(dim)

    def show_counts(self, seen: Histogram | None, levels: Levels | None) -> None:
        """Draws counts and levels; without them it is empty. Nothing moves while a line is being dragged."""
        if seen is None or levels is None:
            self.bars.setData([0.0, 1.0], [0.0])
            self.region.hide()
            return
        self.bars.setData(seen.edges, np.log1p(seen.counts.astype(np.float64)))
        if any(line.moving for line in self.region.lines) or self.region.moving:
            return
        span = float(seen.edges[0]), float(seen.edges[-1])
        if span != self._span:
            self._span = span
            self.setXRange(*span, padding=0.04)
        self.setYRange(0, max(1.0, float(np.log1p(seen.counts.max()))), padding=0.05)
        self._telling = True
        self.region.setRegion(levels)
        self._telling = False
        self.region.show()

    def _dragged(self) -> None:
        low, high = self.region.getRegion()
        if not self._telling and low < high:
            self.chosen.emit(low, high)


def _faint(colour: QColor, alpha: int) -> QColor:
    colour.setAlpha(alpha)
    return colour
