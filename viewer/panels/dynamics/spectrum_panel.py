"""Panel of the radial power spectrum."""

import pyqtgraph as pg

from viewer.controllers.controller import Controller
from viewer.dynamics.spectrum import Spectrum, SpectrumView
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.charts import Chart
from viewer.panels.plotting import CURVES

_LEAST = 1e-12  # of the largest power: below it is rounding


class SpectrumPanel(DynamicsPanel[Spectrum]):
    """Power over the wave number, both on logarithmic scales."""

    def __init__(self, controller: Controller) -> None:
        self.chart = Chart("waves per cell", "power")
        self.chart.setLogMode(x=True, y=True)
        for side in ("left", "bottom"):
            self.chart.getAxis(side).setStyle(maxTickLevel=0)  # no numbers at the marks in between
        self.curve = self.chart.plot()
        super().__init__(controller, SpectrumView(), self.chart, "Power spectrum")

    def draw(self, result: Spectrum) -> str:
        name = self.controller.model.theme
        self.chart.colour(name)
        self.curve.setPen(pg.mkPen(CURVES[name][0], width=2))
        seen = result.power > _LEAST * result.power.max(initial=0.0)
        self.curve.setData(result.waves[seen], result.power[seen])
        peak = "even" if result.peak is None else f"largest power at a wavelength of {result.peak:.3g} cells"
        return f"step {result.step:,}: {peak}"
