"""The canvas: cells as an image that can be zoomed and moved."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from viewer.model.frame import RenderedFrame
from viewer.model.region import Region
from viewer.widgets.grid_item import GridItem
from viewer.widgets.overlay import OverlayPainter
from viewer.widgets.zoom_view import ZoomView


class Canvas(ZoomView):
    """Draws a frame where its region of the plane is visible, with grid lines, a scale and a marker.

    Attributes:
        grid_item: draws the frame.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._lines_wanted = True
        self._marked: tuple[int, int] | None = None
        self.grid_item = GridItem()
        super().__init__(parent)
        self.setObjectName("cells")
        self.setAccessibleName("Cells")
        self.setAccessibleDescription("The cells of the grid, as colours")
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # its background is drawn here

    # -- content -------------------------------------------------------------------------------------------------

    def set_grid(self, height: int, width: int) -> None:
        """Sets the size of the grid and shows all of it; empty until a frame comes."""
        self.grid_item.clear()
        self.view_area = replace(self.view_area, grid=(height, width), wraps=False)
        self.show_region(Region(0, 0, height, width))

    def show(self, frame: RenderedFrame | None = None, table: NDArray[np.uint8] | None = None) -> None:
        """Draws a frame at its region, through a colour table `(256, 3)`; without a frame, shows the widget."""
        if frame is None:
            super().show()
            return
        before = self.grid_item.place(self.view_area)
        self.grid_item.show(frame, table)
        if self.grid_item.place(self.view_area) == before and not self.view_area.wraps:
            # Only the changed part: its surroundings take as long again.
            self.viewport().update(_scaled(before, 1 / self._ratio).toAlignedRect())
        else:
            self.viewport().update()

    def set_wraps(self, wraps: bool) -> None:
        """Draws the grid as a torus, repeated beyond its edges; paler where cells are visible twice."""
        self._set_view(replace(self.view_area, wraps=wraps), self._fitted)

    def set_lines(self, wanted: bool) -> None:
        """Draws lines between large cells, or none."""
        self._lines_wanted = wanted
        self.viewport().update()

    def set_marker(self, cell: tuple[int, int] | None) -> None:
        """Marks one cell (y, x), or none."""
        self._marked = cell
        self.viewport().update()

    # -- drawing -------------------------------------------------------------------------------------------------

    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802 - Qt's name
        seen, drawn = self.view_area.region(), self.grid_item.seen(self.view_area)
        self._draw(painter, lambda pen: pen.ground(covered=drawn == seen))
        painter.save()
        painter.resetTransform()
        painter.scale(1 / self._ratio, 1 / self._ratio)
        self.grid_item.draw(painter, self.view_area)
        painter.restore()

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802
        def over(pen: OverlayPainter) -> None:
            drawn = self.grid_item.seen(self.view_area)
            if self._lines_wanted and drawn is not None:
                pen.lines(drawn)
            if self._marked is not None:
                pen.marker(*self._marked)
            pen.scale()

        self._draw(painter, over)

    def _draw(self, painter: QPainter, draw: Callable[[OverlayPainter], None]) -> None:
        painter.save()
        painter.resetTransform()
        draw(OverlayPainter(painter, self.view_area, self._ratio, self.palette()))
        painter.restore()


def _scaled(rectangle: QRectF, by: float) -> QRectF:
    return QRectF(rectangle.x() * by, rectangle.y() * by, rectangle.width() * by, rectangle.height() * by)
