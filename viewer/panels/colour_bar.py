"""Colour maps as pictures: swatches beside their names, and the bar of the map in use."""

import numpy as np
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QFontMetrics, QIcon, QImage, QPainter, QPaintEvent, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from aetheria.observe.colour_maps import colour_map


def swatch_size(metrics: QFontMetrics) -> QSize:
    """As high as a small letter, and wide enough to see where the colours go."""
    return QSize(4 * metrics.height(), round(0.8 * metrics.height()))


def swatch(name: str, size: QSize, ratio: float) -> QIcon:
    """A colour map, low to high; `size` in points, `ratio` pixels each."""
    pixmap = _strip(name).scaled(round(size.width() * ratio), round(size.height() * ratio))
    pixmap.setDevicePixelRatio(ratio)
    return QIcon(QPixmap.fromImage(pixmap))


class ColourBar(QWidget):
    """The colour map in use, from the lowest shown value at the left to the highest at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._map: str | None = None

    def set_map(self, name: str | None) -> None:
        """Shows a map; None for colours that come from no map."""
        if name != self._map:
            self._map = name
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        height = self.fontMetrics().height()
        return QSize(8 * height, height)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter, rim = QPainter(self), QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self._map is not None and self.isEnabled():
            painter.drawImage(rim, _strip(self._map))
        painter.setPen(QPen(QColor(self.palette().color(QPalette.ColorRole.PlaceholderText)), 1))
        painter.drawRect(rim)


def _strip(name: str) -> QImage:
    colours = np.ascontiguousarray(colour_map(name)[None])
    return QImage(colours.data, 256, 1, 768, QImage.Format.Format_RGB888).copy()
