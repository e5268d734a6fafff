"""Panel of three slices of a volume side by side, through a common cell."""

import math
from collections.abc import Callable

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtWidgets import QHBoxLayout

from viewer.controllers.controller import Controller
from viewer.dynamics.slices import Crosshair, SliceView
from viewer.model.frame import RenderedFrame
from viewer.panels.dynamics.charts import ImageChart
from viewer.panels.dynamics.painting import PaintedPanel
from viewer.panels.panel import Panel
from viewer.sources.samples import Sample
from viewer.sources.source import FrameSource
from viewer.widgets import theme

_LINES = 18  # smallest height in lines of text


class SlicePicture(PaintedPanel):
    """One slice, with lines through the common cell that can be dragged; a click moves the cell, too."""

    lines = 8

    def __init__(
        self, controller: Controller, crosshair: Crosshair, number: int, move: Callable[[dict[str, int]], None]
    ) -> None:
        """
        Args:
            number: of the axis that it is across.
            move: moves the cell along the axes of that name.
        """
        self.chart = ImageChart("", "")
        self.chart.keep_square()
        self.chart.setMouseEnabled(x=False, y=False)
        self._crosshair, self._number, self._move = crosshair, number, move
        self.right, self.down = (pg.InfiniteLine(angle=angle, movable=True) for angle in (90, 0))
        for line in (self.right, self.down):
            self.chart.addItem(line, ignoreBounds=True)
            line.sigDragged.connect(lambda _: self._moved(self.down.value(), self.right.value()))
        super().__init__(controller, SliceView(crosshair, number), self.chart, f"Slice {number + 1} of 3")
        self.chart.scene().sigMouseClicked.connect(lambda event: self.clicked(event.scenePos()))

    def clicked(self, point: QPointF) -> None:
        """Moves the cell to a point of the scene."""
        place = self.chart.getViewBox().mapSceneToView(point)
        self._moved(place.y(), place.x())

    def _moved(self, y: float, x: float) -> None:
        if self._crosshair.plane is not None:
            down, right = self._crosshair.shown(self._number)
            self._move({down: math.floor(y), right: math.floor(x)})

    def draw(self, result: Sample) -> str:
        plane, name = self._crosshair.plane, self.controller.model.theme
        colours = self.colours_of(result)
        if plane is None or colours is None:
            return ""
        self.chart.colour(name)
        down, right = self._crosshair.shown(self._number)
        self.chart.setLabel("left", down)
        self.chart.setLabel("bottom", right)
        self.chart.show_colours(colours, QRectF(0, 0, plane.sides[right], plane.sides[down]))
        for line, axis in ((self.down, down), (self.right, right)):
            line.setPen(pg.mkPen(theme.colour(name, "accent"), width=1))
            line.setValue(self._crosshair.index[axis] + 0.5)
        across = plane.axes[self._number]
        return f"{across} {self._crosshair.index[across]}, step {result.step:,}"


class SlicesPanel(Panel):
    """The slices across each axis; the one of the canvas goes along.

    Attributes:
        crosshair: the common cell.
        pictures: one for each axis, in the order of the axes.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.crosshair = Crosshair()
        self.pictures = [SlicePicture(controller, self.crosshair, number, self.move_cell) for number in range(3)]
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for picture in self.pictures:
            row.addWidget(picture, 1)
        self.setMinimumHeight(_LINES * self.fontMetrics().lineSpacing())

    def show_source(self, source: FrameSource | None) -> None:
        self.crosshair.set_plane(self.controller.plane if source is not None else None)
        for picture in self.pictures[1:]:
            picture.setVisible(self.crosshair.plane is not None)  # the first one says why there is nothing

    def model_changed(self, names: frozenset[str]) -> None:
        if "view_settings" in names:
            self.crosshair.follow(self.controller.plane)
            self._update()

    def show_frame(self, frame: RenderedFrame) -> None:
        for picture in self.pictures:
            picture.show_frame(frame)

    def move_cell(self, places: dict[str, int]) -> None:
        """Moves the common cell, and the slice of the canvas with it."""
        for axis, index in places.items():
            self.crosshair.move(axis, index)
        plane = self.controller.plane
        if plane is not None and plane.slice is not None and plane.slice.axis in places:
            self.controller.set_slice(plane.slice.axis, self.crosshair.index[plane.slice.axis])
        self._update()

    def _update(self) -> None:
        for picture in self.pictures:
            picture.update_picture()
