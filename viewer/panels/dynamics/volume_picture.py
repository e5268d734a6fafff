"""A volume that is turned by dragging, drawn by the processor."""

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from viewer.dynamics.projection import Direction, project
from viewer.model.view_settings import Levels

_LARGEST = 420  # pixels along a side: a larger picture is scaled up
_FARTHEST = 0.3  # brightness of the cells farthest from the eye
_TURN = math.pi / 400  # radians for a pixel of a drag
_WHEEL = 1.0015  # zoom for an eighth of a degree of the wheel


class VolumePicture(QWidget):
    """Draws cells above a value, the farther the darker, in the box of their volume.

    Attributes:
        direction: where it is seen from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Drag to turn, wheel to zoom")
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.direction = Direction()
        self._values: NDArray[np.float64] | None = None
        self._table: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
        self._levels, self._least = (0.0, 1.0), 0.0
        self._image: QImage | None = None
        self._mouse = QPointF()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(_LARGEST // 2, _LARGEST // 2)

    def show_volume(self, values: NDArray[np.float64], table: NDArray[np.uint8], levels: Levels, least: float) -> None:
        """Draws values `(d, h, w)` above `least`, between levels through a colour table `(256, 3)`."""
        self._values, self._table, self._levels, self._least = values, table, levels, least
        self._draw_again()

    def colours(self, size: int) -> NDArray[np.uint8]:
        """The picture `(size, size, 4)` of colours and opacity, without the box."""
        assert self._values is not None
        values, nearness = project(self._values, self._least, self.direction, size)
        found = np.isfinite(values)
        low, high = self._levels
        place = np.clip((np.where(found, values, low) - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
        bright = _FARTHEST + (1 - _FARTHEST) * np.clip(nearness, 0, 1)
        shaded = (self._table[place] * bright[..., None]).astype(np.uint8)
        return np.dstack((shaded, np.where(found, 255, 0).astype(np.uint8)))

    def _draw_again(self) -> None:
        self._image = None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        if self._values is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
        side = min(self.width(), self.height())
        size = max(16, min(round(side * self.devicePixelRatioF()), _LARGEST))
        if self._image is None or self._image.width() != size:
            colours = np.ascontiguousarray(self.colours(size))
            self._image = QImage(colours.data, size, size, 4 * size, QImage.Format.Format_RGBA8888).copy()
        painter.translate((self.width() - side) / 2, (self.height() - side) / 2)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self.palette().color(QPalette.ColorRole.PlaceholderText)), 1))
        depth, height, width = self._values.shape
        for (x0, y0), (x1, y1) in self.direction.edges((depth, height, width), side):
            painter.drawLine(QLineF(x0, y0, x1, y1))
        painter.drawImage(QRectF(0, 0, side, side), self._image)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._mouse = event.position()
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        way, self._mouse = event.position() - self._mouse, event.position()
        self.direction = self.direction.turned(way.x() * _TURN, way.y() * _TURN)
        self._draw_again()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.accept()
        self.direction = self.direction.zoomed(_WHEEL ** event.angleDelta().y())
        self._draw_again()
