"""The canvas: the cells as an image that can be zoomed and moved. Coordinates are cells: x to the right, y down."""

import math

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from viewer.model import Picture, Region

_SETTLE_MS = 30  # a view that moves is asked for about so often
_LINES_FROM = 8  # pixels a cell must have before lines are drawn between cells
_LARGEST = 128  # pixels a cell may have
_MARGIN = 0.25  # of the grid, that can be moved out of sight


class Canvas(pg.GraphicsView):  # type: ignore[misc]  # pyqtgraph has no types
    """Shows pictures and says which cells are in sight, and where the mouse is.

    Signals:
        looked_at(Region, (height, width)): the cells in sight, whole ones, and the pixels they have.
        hovered(y, x): the cell under the mouse, or (-1, -1) when it is beyond the grid.
        pressed, dragged, released (y, x, button): of the mouse, in cells with fractions, while a tool is in hand.
    """

    looked_at = Signal(object, object)
    hovered = Signal(int, int)
    pressed = Signal(float, float, object)
    dragged = Signal(float, float, object)
    released = Signal(float, float, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setAccessibleName("Cells")
        self.setAccessibleDescription("The cells of the grid, as colours")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.box = pg.ViewBox(lockAspect=True, invertY=True, enableMenu=False)
        self.setCentralItem(self.box)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.box.addItem(self.image)
        self.lines = pg.PlotCurveItem(connect="pairs", antialias=False)
        self.lines.setZValue(10)
        self.box.addItem(self.lines)
        self.grid = (1, 1)
        self.tool_in_hand = False
        self._lines_wanted = True
        self._held: object | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._say_what_is_seen)
        self.box.sigRangeChanged.connect(self._moved)

    # -- what is shown -------------------------------------------------------------------------------------------

    def set_grid(self, height: int, width: int) -> None:
        """The size of what is shown from now on; the image is empty until a picture comes."""
        self.grid = (height, width)
        self.image.clear()
        margin_y, margin_x = max(4.0, _MARGIN * height), max(4.0, _MARGIN * width)
        self.box.setLimits(
            xMin=-margin_x - width, xMax=2 * width + margin_x, yMin=-margin_y - height, yMax=2 * height + margin_y
        )

    def show(self, picture: Picture | None = None, table: NDArray[np.uint8] | None = None) -> None:
        """Draws a picture where its region is, through a colour table `(256, 3)`; without one, shows the widget."""
        if picture is None:
            super().show()
            return
        levels = None if picture.pixels.ndim == 3 else (0, 255)
        self.image.setLookupTable(None if picture.pixels.ndim == 3 else table, update=False)
        self.image.setImage(picture.pixels, autoLevels=False, levels=levels)
        region = picture.region
        self.image.setRect(region.left, region.top, region.width, region.height)

    def set_lines(self, wanted: bool) -> None:
        """Whether lines are drawn between cells that are large enough."""
        self._lines_wanted = wanted
        self._draw_lines()

    # -- what is in sight ----------------------------------------------------------------------------------------

    def show_region(self, region: Region) -> None:
        """Zooms and moves so that this region is in sight."""
        self.box.setRange(
            xRange=(region.left, region.left + region.width), yRange=(region.top, region.top + region.height), padding=0.0
        )

    def zoom(self, factor: float | None) -> None:
        """Zooms by a factor about the middle; None: one cell to one pixel of the screen."""
        pixels = self.pixels_per_cell()
        scale = pixels if factor is None else max(1 / factor, pixels / _LARGEST)
        self.box.scaleBy((scale, scale))

    def centre(self, y: float, x: float) -> None:
        """Moves so that this cell is in the middle."""
        (left, right), (top, bottom) = self.box.viewRange()
        self.box.translateBy(x=x - (left + right) / 2, y=y - (top + bottom) / 2)

    def pixels_per_cell(self) -> float:
        """How many pixels of the screen a cell has on a side."""
        (left, right), _ = self.box.viewRange()
        return max(1e-9, self.box.width() * self.devicePixelRatioF() / max(right - left, 1e-9))

    def region(self) -> Region:
        """The cells in sight, whole ones; at least one."""
        height, width = self.grid
        (left, right), (top, bottom) = self.box.viewRange()
        y0, y1 = _inside(top, bottom, height)
        x0, x1 = _inside(left, right, width)
        return Region(y0, x0, y1 - y0, x1 - x0)

    def cell_at(self, position: QPointF) -> tuple[float, float]:
        """(y, x) of a point of the widget, in cells with fractions."""
        point = self.box.mapSceneToView(self.mapToScene(position.toPoint()))
        return point.y(), point.x()

    def _moved(self, *_: object) -> None:
        self._draw_lines()
        if not self._settle.isActive():
            self._settle.start()

    def _say_what_is_seen(self) -> None:
        region, pixels = self.region(), self.pixels_per_cell()
        size = (max(1, math.ceil(region.height * pixels)), max(1, math.ceil(region.width * pixels)))
        self.looked_at.emit(region, size)

    def _draw_lines(self) -> None:
        region = self.region()
        if not self._lines_wanted or self.pixels_per_cell() < _LINES_FROM:
            self.lines.setData([], [])
            return
        top, left, bottom, right = region.top, region.left, region.top + region.height, region.left + region.width
        across, down = np.arange(left, right + 1), np.arange(top, bottom + 1)
        x = np.concatenate((np.repeat(across, 2), np.tile([left, right], len(down))))
        y = np.concatenate((np.tile([top, bottom], len(across)), np.repeat(down, 2)))
        self.lines.setData(x, y)

    # -- the mouse -----------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self.tool_in_hand and event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self._held = event.button()
            self.pressed.emit(*self.cell_at(event.position()), event.button())
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        y, x = self.cell_at(event.position())
        height, width = self.grid
        inside = 0 <= y < height and 0 <= x < width
        self.hovered.emit(*((int(y), int(x)) if inside else (-1, -1)))
        if self._held is not None:
            self.dragged.emit(y, x, self._held)
            event.accept()
            return
        super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._held is not None:
            self.released.emit(*self.cell_at(event.position()), self._held)
            self._held = None
            event.accept()
            return
        super().mouseReleaseEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        if hasattr(self, "_settle"):  # Qt resizes while pyqtgraph is still building
            self._moved()


def _inside(start: float, end: float, cells: int) -> tuple[int, int]:
    first = min(max(math.floor(start), 0), cells - 1)
    last = min(max(math.ceil(end), first + 1), cells)
    return first, last
