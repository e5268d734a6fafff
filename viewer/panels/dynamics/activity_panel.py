"""Panel of the activity of each channel."""

import pyqtgraph as pg

from viewer.controllers.controller import Controller
from viewer.dynamics.activity import ActivityHistory, ActivityView
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.charts import Chart
from viewer.panels.plotting import CURVES


class ActivityPanel(DynamicsPanel[ActivityHistory]):
    """Mean change per step of each channel over the steps."""

    def __init__(self, controller: Controller) -> None:
        self.chart = Chart("step", "change per step")
        self.chart.addLegend(offset=(8, 4), colCount=4)
        self.curves: dict[str, pg.PlotDataItem] = {}
        super().__init__(controller, ActivityView(), self.chart, "Activity of channels")

    def draw(self, result: ActivityHistory) -> str:
        name = self.controller.model.theme
        self.chart.colour(name)
        if tuple(self.curves) != result.names:
            for curve in self.curves.values():
                self.chart.removeItem(curve)
            self.curves = {channel: self.chart.plot(name=channel) for channel in result.names}
        for number, curve in enumerate(self.curves.values()):
            curve.setPen(pg.mkPen(CURVES[name][number % len(CURVES[name])], width=2))
            curve.setData(result.steps, result.values[:, number])
        newest = result.values[-1]
        most = int(newest.argmax())
        return f"step {result.steps[-1]:,}: most active {result.names[most]}, {newest[most]:.3g} per step"
