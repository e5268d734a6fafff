"""The selection on the canvas: its rectangle, the cells to be pasted under the mouse, and the mouse events for both."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPen, QPixmap
from PySide6.QtWidgets import QGraphicsPixmapItem, QGraphicsRectItem

from viewer.controllers.cell_changes import seen
from viewer.controllers.clipping import Clipping
from viewer.controllers.controller import Controller
from viewer.widgets.canvas import Canvas

_ABOVE = 19  # z value, above the lines between cells, below the outline of a brush
_FILL = QColor(80, 200, 120, 60)  # of the selection: the cells stay visible through it
_GHOST = (80, 190, 255, 190)  # of cells to be pasted that are not at rest
_UNDER = (255, 255, 255, 40)  # of those at rest


class SelectionOverlay(QObject):
    """Passes the mouse to `controller.selection`, and draws the selection and the cells in hand.

    Attributes:
        area: the selection, a filled rectangle with an outline visible on any colour.
        ghost, frame: the cells to be pasted, at their place under the mouse, and their outline.
    """

    def __init__(self, canvas: Canvas, controller: Controller) -> None:
        super().__init__(canvas)
        self.canvas, self.controller = canvas, controller
        self.area, self._area_halo = _rectangle(Qt.PenStyle.DashLine), _halo()
        self.area.setBrush(_FILL)
        self.frame, self._frame_halo = _rectangle(Qt.PenStyle.SolidLine), _halo()
        self.ghost = QGraphicsPixmapItem()
        for item in (self._area_halo, self.area, self.ghost, self._frame_halo, self.frame):
            item.setZValue(_ABOVE)
            canvas.box.addItem(item, ignoreBounds=True)
        self._at: tuple[float, float] | None = None
        self._drawn: Clipping | None = None  # what the ghost shows
        canvas.pressed.connect(self._pressed)
        canvas.dragged.connect(lambda y, x, _button: self.controller.selection.drag(y, x))
        canvas.released.connect(lambda y, x, _button: self.controller.selection.release(y, x))
        canvas.viewport().installEventFilter(self)
        controller.model.listeners.append(self._model_changed)
        controller.paste.listeners.append(self._draw_ghost)
        self._draw_area()
        self._draw_ghost()

    def _pressed(self, y: float, x: float, button: object) -> None:
        if button == Qt.MouseButton.LeftButton:
            self.controller.selection.press(y, x)
        elif self.controller.model.tool == "paste":
            self.controller.paste.cancel()
        elif self.controller.model.tool == "select":
            self.controller.selection.remove()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Tracks the mouse in fractional cells, so that the cells in hand appear under it at once."""
        if event.type() == QEvent.Type.MouseMove:
            assert isinstance(event, QMouseEvent)
            self._at = self.canvas.cell_at(event.position())
            self._draw_ghost()
        elif event.type() == QEvent.Type.Leave:
            self._at = None
            self._draw_ghost()
        return False

    def _model_changed(self, changed: frozenset[str]) -> None:
        if changed & {"selection", "view_settings"}:
            self._draw_area()

    def _draw_area(self) -> None:
        region, plane = self.controller.model.selection, self.controller.plane
        for item in (self.area, self._area_halo):
            item.setVisible(region is not None)
            if region is not None:
                top = region.top + (plane.present.top if plane is not None else 0)
                item.setRect(QRectF(region.left, top, region.width, region.height))

    def _draw_ghost(self) -> None:
        paste, plane = self.controller.paste, self.controller.plane
        clipping = paste.clipping
        if clipping is not None and clipping is not self._drawn:
            self.ghost.setPixmap(_pixmap(clipping, paste.rest))
        self._drawn = clipping
        shown = clipping is not None and self._at is not None
        for item in (self.ghost, self.frame, self._frame_halo):
            item.setVisible(shown)
        if clipping is not None and self._at is not None:
            top, left = paste.corner_at(*self._at)
            top += plane.present.top if plane is not None else 0
            self.ghost.setPos(left, top)
            for item in (self.frame, self._frame_halo):
                item.setRect(QRectF(left, top, clipping.size[1], clipping.size[0]))


def _pixmap(clipping: Clipping, rest: NDArray[np.float32]) -> QPixmap:
    """One pixel for each cell."""
    height, width = clipping.size
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[:] = _UNDER
    pixels[seen(clipping.values, rest)] = _GHOST
    return QPixmap.fromImage(QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888))


def _rectangle(style: Qt.PenStyle) -> QGraphicsRectItem:
    item = QGraphicsRectItem()
    item.setPen(_pen(Qt.GlobalColor.white, 1.5, style))
    return item


def _halo() -> QGraphicsRectItem:
    item = QGraphicsRectItem()
    item.setPen(_pen(Qt.GlobalColor.black, 3.0, Qt.PenStyle.SolidLine))
    return item


def _pen(colour: Qt.GlobalColor, width: float, style: Qt.PenStyle) -> QPen:
    pen = QPen(colour, width, style)
    pen.setCosmetic(True)
    return pen
