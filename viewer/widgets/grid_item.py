"""Draws the frame on the canvas; on a torus also beyond its edges."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter

from viewer.model.frame import RenderedFrame
from viewer.model.region import Region
from viewer.model.viewport import Viewport

_OPAQUE, _PLACES = np.uint32(0xFF000000), np.array([1 << 16, 1 << 8, 1], np.uint32)  # packs a colour into one number
_AGAIN = 0.55  # opacity of cells that are visible a second time
_AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))


class GridItem:
    """A frame, drawn where its region of the plane of cells is visible.

    Attributes:
        frame: the frame; None for nothing.
    """

    def __init__(self) -> None:
        self.frame: RenderedFrame | None = None
        self._table: NDArray[np.uint8] | None = None
        self._image: QImage | None = None  # made at the first drawing

    def clear(self) -> None:
        """Removes the frame."""
        self.frame = self._table = self._image = None

    def show(self, frame: RenderedFrame, table: NDArray[np.uint8] | None) -> None:
        """Sets the frame, with a colour table `(256, 3)` unless it holds colours."""
        self.frame, self._table, self._image = frame, table, None

    def crowded(self, scale: float) -> bool:
        """Whether the frame has more pixels than the screen: an old one, until the new one comes."""
        frame = self.frame
        return frame is not None and frame.pixels.shape[1] > 1.02 * frame.region.width * scale

    def seen(self, viewport: Viewport) -> Region | None:
        """The visible part of the frame's region."""
        return None if self.frame is None else self.frame.region.shared(viewport.region())

    def place(self, viewport: Viewport) -> QRectF:
        """Rectangle of the frame on the screen, in pixels."""
        return QRectF() if self.frame is None else _rectangle(self.frame.region, viewport, 0, 0)

    def draw(self, painter: QPainter, viewport: Viewport) -> None:
        """Draws the frame with a painter in screen pixels; smooth only if it has more pixels than the screen."""
        if self.frame is None:
            return
        if self._image is None:
            self._image = _image(self.frame.pixels, self._table)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.crowded(viewport.scale))
        painter.drawImage(self.place(viewport), self._image)
        if viewport.wraps:
            painter.setOpacity(_AGAIN if viewport.repeats else 1.0)
            screen = QRectF(0, 0, viewport.screen[1], viewport.screen[0])
            for down, right in _AROUND:
                place = _rectangle(self.frame.region, viewport, down, right)
                if place.intersects(screen):
                    painter.drawImage(place, self._image)
            painter.setOpacity(1.0)


def _rectangle(region: Region, viewport: Viewport, down: int, right: int) -> QRectF:
    """Rectangle of a region, shifted by so many grids down and to the right."""
    top, left = region.top + down * viewport.grid[0], region.left + right * viewport.grid[1]
    (y0, x0), (y1, x1) = viewport.pixel_of(top, left), viewport.pixel_of(top + region.height, left + region.width)
    if viewport.scale <= 1:  # whole pixels, without scaling
        y0, x0, y1, x1 = map(round, (y0, x0, y1, x1))
    return QRectF(x0, y0, x1 - x0, y1 - y0)


def _image(pixels: NDArray[np.uint8], table: NDArray[np.uint8] | None) -> QImage:
    """The pixels as an image in the screen's own format, which Qt draws ten times as fast as one with a colour table."""
    height, width, bytes_a_row = *pixels.shape[:2], pixels.strides[0]
    if pixels.ndim == 3:
        image = QImage(pixels.data, width, height, bytes_a_row, QImage.Format.Format_RGB888)
    else:
        assert table is not None
        image = QImage(pixels.data, width, height, bytes_a_row, QImage.Format.Format_Indexed8)
        image.setColorTable((table.astype(np.uint32) @ _PLACES + _OPAQUE).tolist())
    return image.convertToFormat(QImage.Format.Format_RGB32)
