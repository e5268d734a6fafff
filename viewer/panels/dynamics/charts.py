"""Charts for the panels of dynamics: curves, and images with axes, in the colours of the theme."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF

from viewer.model.model import Theme
from viewer.panels.plotting import CompactAxis, PlotWidget
from viewer.widgets import theme


class Chart(PlotWidget):
    """A plot with short numbers at its axes."""

    def __init__(self, bottom: str, left: str) -> None:
        super().__init__(axisItems={side: CompactAxis(side) for side in ("left", "bottom")})
        self.setLabel("bottom", bottom)
        self.setLabel("left", left)
        self.hideButtons()

    def colour(self, name: Theme) -> None:
        """Sets the colours of a theme."""
        self.setBackground(theme.colour(name, "base"))
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(theme.colour(name, "dim"))
            axis.setTextPen(theme.colour(name, "text"))
        legend = self.getPlotItem().legend
        if legend is not None:
            legend.setLabelTextColor(theme.colour(name, "text"))
            for _, label in legend.items:
                label.setText(label.text)  # or it keeps the colour that it was made in


class ImageChart(Chart):
    """An image `(rows, columns)` in a chart.

    Attributes:
        image: the item that draws it.
    """

    def __init__(self, bottom: str, left: str) -> None:
        super().__init__(bottom, left)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.addItem(self.image)

    def keep_square(self, downwards: bool = True) -> None:
        """Draws values as squares; `downwards`: row 0 is at the top, as on the canvas."""
        self.getViewBox().setAspectLocked(True)
        self.getViewBox().invertY(downwards)

    def show_image(self, values: NDArray[Any], table: NDArray[np.uint8], area: QRectF, levels: tuple[float, float]) -> None:
        """Draws values between levels through a colour table, on an area of the axes; row 0 is at its lower coordinate."""
        self.image.setImage(values, levels=levels, lut=table)
        self.image.setRect(area)

    def show_colours(self, colours: NDArray[np.uint8], area: QRectF) -> None:
        """Draws colours `(rows, columns, 3)`."""
        self.image.setImage(colours, levels=None, lut=None)
        self.image.setRect(area)
