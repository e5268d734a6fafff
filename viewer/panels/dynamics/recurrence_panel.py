"""Panel of the recurrence of frames."""

from PySide6.QtCore import QRectF

from aetheria.core.printable import counted
from aetheria.observe.colour_maps import colour_map
from viewer.controllers.controller import Controller
from viewer.dynamics.recurrence import Recurrence, RecurrenceView
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.charts import ImageChart


class RecurrencePanel(DynamicsPanel[Recurrence]):
    """Distances of any two frames: dark where they are alike; a line beside the diagonal is a period."""

    lines = 18  # it is square

    def __init__(self, controller: Controller) -> None:
        self.chart = ImageChart("step", "step")
        self.chart.keep_square(downwards=False)
        super().__init__(controller, RecurrenceView(), self.chart, "Recurrence of frames")

    def draw(self, result: Recurrence) -> str:
        self.chart.colour(self.controller.model.theme)
        steps = result.steps
        interval = float(steps[-1] - steps[0]) / max(len(steps) - 1, 1) or 1.0
        side = interval * len(steps)
        area = QRectF(steps[0] - interval / 2, steps[0] - interval / 2, side, side)
        self.chart.show_image(result.distances, colour_map("ember"), area, (0.0, float(result.distances.max()) or 1.0))
        returned = (
            f"came back after {counted(result.period, 'step')}"
            if result.period
            else f"did not come back in {len(steps)} frames"
        )
        return f"steps {steps[0]:,} to {steps[-1]:,}: {returned}"
