"""Panel of the histogram over time."""

import numpy as np
from PySide6.QtCore import QRectF

from aetheria.observe.colour_maps import colour_map
from viewer.controllers.controller import Controller
from viewer.dynamics.histogram import HistogramHistory, HistogramView
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.charts import ImageChart


class HistogramOverTimePanel(DynamicsPanel[HistogramHistory]):
    """Columns are steps, rows are values; the brightness is the share of cells, on a logarithmic scale."""

    def __init__(self, controller: Controller) -> None:
        self.chart = ImageChart("step", "value")
        super().__init__(controller, HistogramView(), self.chart, "Histogram over time")

    def draw(self, result: HistogramHistory) -> str:
        self.chart.colour(self.controller.model.theme)
        steps, edges = result.steps, result.edges
        interval = float(steps[-1] - steps[0]) / max(len(steps) - 1, 1) or 1.0
        area = QRectF(steps[0] - interval / 2, edges[0], interval * len(steps), edges[-1] - edges[0])
        # A single cell of the raster is just visible.
        brightness = np.log1p(result.shares.T * 1000)
        self.chart.show_image(brightness, colour_map("ember"), area, (0.0, float(np.log1p(1000))))
        return f"steps {steps[0]:,} to {steps[-1]:,}, values {edges[0]:.4g} to {edges[-1]:.4g}"
