"""Panels of volumes seen from any direction: a grid of three axes, and the past frames of a plane."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSlider

from viewer.controllers.controller import Controller
from viewer.dynamics.volume import PastFramesView, Volume, VolumeView
from viewer.dynamics.watch import DynamicsView
from viewer.model.frame import RenderedFrame
from viewer.model.palette import colour_table
from viewer.model.view_settings import FieldChoice, Levels
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.panels.dynamics.volume_picture import VolumePicture
from viewer.widgets.accessibility import accessible

_FIRST = 30  # per cent


class _VolumePanel(DynamicsPanel[Volume]):
    """Cells above a share of the levels, in the colours of the canvas.

    Attributes:
        least: the share in per cent.
    """

    lines = 18

    def __init__(self, controller: Controller, view: DynamicsView[Volume], name: str) -> None:
        self.volume = VolumePicture()
        super().__init__(controller, view, self.volume, name)
        self.least = accessible(QSlider(Qt.Orientation.Horizontal), f"{name}: smallest value shown")
        self.least.setRange(0, 99)
        self.least.setValue(_FIRST)
        self.least.setMaximumWidth(20 * self.fontMetrics().horizontalAdvance("0"))
        self.least.setToolTip("Cells are shown from this share of the levels on")
        self.least.valueChanged.connect(lambda _: self.update_picture())
        self.row.addWidget(QLabel("values above"))
        self.row.addWidget(self.least)
        self._drawn: RenderedFrame | None = None  # the frame whose levels were used

    def model_changed(self, names: frozenset[str]) -> None:
        if names & {"theme", "view_settings"}:
            self.update_picture()

    def show_frame(self, frame: RenderedFrame) -> None:
        if self._drawn is None or (frame.field, frame.levels) != (self._drawn.field, self._drawn.levels):
            self.update_picture()

    def draw(self, result: Volume) -> str:
        settings, choice, frame = self.controller.model.view_settings, self.controller.choice, self.controller.frame
        if settings is None or choice is None or frame is None or not result.field == settings.field == frame.field:
            return ""
        self._drawn = frame
        low, high = levels_for(result.values, choice, frame.levels)
        least = low + self.least.value() / 100 * (high - low)
        self.volume.show_volume(result.values, colour_table(settings, choice), (low, high), least)
        return f"{result.caption}: {result.field} above {least:.3g}"


class VolumePanel(_VolumePanel):
    """A grid of three axes."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller, VolumeView(), "Volume")


class PastFramesPanel(_VolumePanel):
    """The past frames of a plane as a stack, the newest on top."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller, PastFramesView(), "Past frames")


def levels_for(values: NDArray[np.float64], choice: FieldChoice, levels: Levels) -> Levels:
    """Levels of the canvas that end at the highest value: averages over areas of sparse cells are far below those of cells.

    A palette of states keeps its levels, because its colours name the values.
    """
    low, high = levels
    highest = float(values.max(initial=-np.inf, where=np.isfinite(values)))
    return (low, min(high, highest)) if highest > low and not choice.colours.startswith("#") else levels
