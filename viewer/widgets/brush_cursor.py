"""The brush on the canvas: its outline, pending strokes, and the mouse events for painting."""

import numpy as np
from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsPathItem

from viewer.controllers.controller import Controller
from viewer.controllers.stamps import Stamp, turned
from viewer.model.region import Region
from viewer.widgets.canvas import Canvas

_ABOVE = 20  # z value, above the lines between cells
_SEEN = 0.3  # smallest value of a stamp that the ghost shows
_MOST = 20_000  # largest number of cells in the ghost
_MOST_PENDING = 200  # largest number of pending dabs drawn


class BrushCursor(QObject):
    """Passes the mouse's strokes to `controller.tools`, and outlines the cells that the brush would touch.

    Attributes:
        outline, halo: the same path in light and dark, visible on any colour.
        ghost: the pattern to be stamped.
        pending: outlines of dabs that the motor has not taken yet.
    """

    def __init__(self, canvas: Canvas, controller: Controller) -> None:
        super().__init__(canvas)
        self.canvas, self.controller = canvas, controller
        self.halo = _path_item(Qt.GlobalColor.black, 3)
        self.outline = _path_item(Qt.GlobalColor.white, 1)
        self.pending_dabs = _path_item(Qt.GlobalColor.white, 1, Qt.PenStyle.DotLine)
        self.ghost = QGraphicsPathItem()
        self.ghost.setPen(Qt.PenStyle.NoPen)
        self.ghost.setBrush(QColor(255, 255, 255, 130))
        self.ghost.setZValue(_ABOVE)
        for item in (self.pending_dabs, self.ghost, self.halo, self.outline):
            canvas.box.addItem(item, ignoreBounds=True)
        self._at: tuple[float, float] | None = None
        self._ghost: tuple[Stamp, int, bool] | None = None  # what the ghost shows
        canvas.pressed.connect(self._pressed)
        canvas.dragged.connect(self._dragged)
        canvas.released.connect(self._released)
        canvas.viewport().installEventFilter(self)
        controller.model.listeners.append(self._model_changed)
        controller.tools.listeners.append(self._draw_pending)
        self._model_changed(frozenset({"tool"}))

    def _pressed(self, y: float, x: float, button: object) -> None:
        self.controller.tools.press(y, x, erase=button == Qt.MouseButton.RightButton)
        self._move(y, x)

    def _dragged(self, y: float, x: float, _button: object) -> None:
        self.controller.tools.drag(y, x)
        self._move(y, x)

    def _released(self, y: float, x: float, _button: object) -> None:
        self.controller.tools.release(y, x)
        self._draw_pending()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Tracks the mouse in fractional cells; the signal `hovered` gives whole cells only."""
        if event.type() == QEvent.Type.MouseMove and self.canvas.tool_in_hand:
            assert isinstance(event, QMouseEvent)
            self._move(*self.canvas.cell_at(event.position()))
        elif event.type() == QEvent.Type.Leave:
            self._at = None
            self._draw()
        return False

    def _move(self, y: float, x: float) -> None:
        self._at = (y, x)
        self._draw()
        self._draw_pending()

    def _model_changed(self, model_changed: frozenset[str]) -> None:
        if "tool" in model_changed:
            tool = self.controller.model.tool
            self.canvas.tool_in_hand = tool != "pan"
            self.canvas.viewport().setCursor(Qt.CursorShape.CrossCursor if tool != "pan" else Qt.CursorShape.ArrowCursor)
        if model_changed & {"tool", "brush"}:
            self._draw()

    def _draw(self) -> None:
        path = QPainterPath()
        footprint = None if self._at is None else self.controller.tools.footprint(*self._at)
        if footprint is not None:
            self._add(path, *footprint)
        self.halo.setPath(path)
        self.outline.setPath(path)
        self._draw_ghost(None if footprint is None else footprint[0])

    def _draw_ghost(self, region: Region | None) -> None:
        tools, brush = self.controller.tools, self.controller.model.brush
        stamp = tools.chosen_stamp if self.controller.model.tool == "stamp" else None
        self.ghost.setVisible(region is not None and stamp is not None)
        if region is None or stamp is None:
            return
        wanted = stamp, brush.turns, brush.mirrored
        if self._ghost != wanted:
            self._ghost = wanted
            path = QPainterPath()
            for y, x in np.argwhere(turned(stamp, brush) > _SEEN)[:_MOST].tolist():
                path.addRect(x, y, 1, 1)
            self.ghost.setPath(path)
        self.ghost.setPos(region.left, region.top)

    def _draw_pending(self) -> None:
        path = QPainterPath()
        for dab in self.controller.tools.pending_dabs[-_MOST_PENDING:]:
            self._add(path, *self.controller.tools.outline(dab))
        self.pending_dabs.setPath(path)

    def _add(self, path: QPainterPath, region: Region, is_round: bool) -> None:
        """Adds the outline of a region; on a torus also where it continues at the opposite side."""
        target = self.controller.tools.target
        height, width = self.canvas.grid
        around = (-1, 0, 1) if target is not None and target.wraps else (0,)
        grid = QRectF(0, 0, width, height)
        for down in around:
            for across in around:
                rectangle = QRectF(region.left + across * width, region.top + down * height, region.width, region.height)
                if is_round and region.width > 2 and rectangle.intersects(grid):
                    path.addEllipse(rectangle)
                elif rectangle.intersects(grid):
                    path.addRect(rectangle)


def _path_item(colour: Qt.GlobalColor, width: int, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QGraphicsPathItem:
    item = QGraphicsPathItem()
    pen = QPen(colour, width, style)
    pen.setCosmetic(True)
    item.setPen(pen)
    item.setZValue(_ABOVE)
    return item
