"""Panel of the flow of density."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF

from aetheria.observe.colour_maps import colour_map
from viewer.controllers.controller import Controller
from viewer.dynamics.flow import Flow, FlowView
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.charts import ImageChart
from viewer.widgets import theme

_LONGEST = 1 / 22  # of the longest side: the longest arrow
_HEAD = 0.3  # of an arrow, and its half width as a share of that
_STILL = 1e-3  # cells per step: shorter arrows than this are not stretched to be seen


class FlowPanel(DynamicsPanel[Flow]):
    """The field in grey, and arrows along its velocity; the longest one has the same length in every picture."""

    lines = 18  # it is square

    def __init__(self, controller: Controller) -> None:
        self.chart = ImageChart("x", "y")
        self.chart.keep_square()
        self.arrows = pg.PlotCurveItem(connect="pairs")
        self.chart.addItem(self.arrows)
        super().__init__(controller, FlowView(), self.chart, "Flow of density")

    def draw(self, result: Flow) -> str:
        name = self.controller.model.theme
        self.chart.colour(name)
        height, width = (side * size for side, size in zip(result.density.shape, result.cell, strict=True))
        low, high = float(result.density.min()), float(result.density.max())
        grey = colour_map("grey")[:160] if name == "dark" else colour_map("grey")[:96:-1]  # arrows stand out from both
        self.chart.show_image(result.density, grey, QRectF(0, 0, width, height), (low, high if high > low else low + 1))
        speeds = np.hypot(*result.velocity.T)
        fastest = float(speeds.max(initial=0.0))
        stretched = result.velocity * (max(height, width) * _LONGEST / max(fastest, _STILL))
        self.arrows.setPen(pg.mkPen(theme.colour(name, "accent"), width=1.5))
        self.arrows.setData(*lines_of(result.at, stretched), connect="pairs")
        return f"step {result.step:,}: largest speed {fastest:.3g} cells per step" if len(speeds) else "nothing to see"


def lines_of(at: NDArray[np.float64], way: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y of the ends of the three lines of each arrow, `(6 n,)` each; the arrows lie about their places `(n, 2)`."""
    tail, tip = at - way / 2, at + way / 2
    aside = np.stack((way[:, 1], -way[:, 0]), 1) * (_HEAD / 2)
    barbs = [tip - _HEAD * way + side * aside for side in (1, -1)]
    points = np.stack((tail, tip, tip, barbs[0], tip, barbs[1]), 1).reshape(-1, 2)
    return points[:, 1], points[:, 0]
