"""Colour maps as images: swatches for lists, and the bar of the current map."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QFontMetrics, QIcon, QImage, QPainter, QPaintEvent, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from aetheria.observe.colour_maps import colour_map


def swatch_size(metrics: QFontMetrics) -> QSize:
    """A little lower than a line of text, and wide enough to show the colours."""
    return QSize(4 * metrics.height(), round(0.8 * metrics.height()))


def swatch(name: str, size: QSize, ratio: float) -> QIcon:
    """A colour map from low to high; `size` in points, `ratio` pixels per point."""
    pixmap = _strip(colour_map(name)).scaled(round(size.width() * ratio), round(size.height() * ratio))
    pixmap.setDevicePixelRatio(ratio)
    return QIcon(QPixmap.fromImage(pixmap))


class ColourBar(QWidget):
    """The current colour map, from the lower level at the left to the upper level at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._colours: NDArray[np.uint8] | None = None

    def set_colours(self, colours: NDArray[np.uint8] | None) -> None:
        """Shows the colours `(256, 3)` of a map; None for fields without a map."""
        self._colours = colours
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        height = self.fontMetrics().height()
        return QSize(8 * height, height)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter, rim = QPainter(self), QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self._colours is not None and self.isEnabled():
            painter.drawImage(rim, _strip(self._colours))
        painter.setPen(QPen(QColor(self.palette().color(QPalette.ColorRole.PlaceholderText)), 1))
        painter.drawRect(rim)


def _strip(map_colours: NDArray[np.uint8]) -> QImage:
    colours = np.ascontiguousarray(map_colours[None])
    return QImage(colours.data, 256, 1, 768, QImage.Format.Format_RGB888).copy()
