"""A sheet of small pictures, one of which is marked; a click chooses one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Signal
from PySide6.QtGui import QColor, QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from viewer.dynamics.universes import Sheet, sheet_for


class TileSheet(QWidget):
    """Draws tiles of colours `(h, w, 3)` as large as fit.

    Signals:
        chosen(int): a tile was clicked.
    """

    chosen = Signal(int)

    def __init__(self, name_of: Callable[[int], str]) -> None:
        """
        Args:
            name_of: the tooltip of a tile.
        """
        super().__init__()
        self._name_of = name_of
        self._images: list[QImage] = []
        self._grid = (1, 1)
        self._marked = -1
        self._bytes: NDArray[np.uint8] | None = None

    def show_tiles(self, tiles: NDArray[np.uint8], marked: int) -> None:
        """Draws tiles `(n, h, w, 3)` and a frame around one of them."""
        self._bytes = np.ascontiguousarray(tiles)  # Qt reads the colours where they are
        height, width = tiles.shape[1:3]
        self._images = [QImage(tile.data, width, height, 3 * width, QImage.Format.Format_RGB888) for tile in self._bytes]
        self._grid, self._marked = (height, width), marked
        self.update()

    @property
    def sheet(self) -> Sheet | None:
        """Where the tiles are; None without tiles."""
        return sheet_for(len(self._images), self._grid, (self.height(), self.width())) if self._images else None

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        sheet, painter = self.sheet, QPainter(self)
        if sheet is None:
            return
        ratio = self.devicePixelRatioF()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, sheet.tile[0] * ratio < self._grid[0])
        for index, image in enumerate(self._images):
            painter.drawImage(self._place(sheet, index), image)
        painter.setPen(QPen(QColor(self.palette().color(QPalette.ColorRole.Highlight)), sheet.gap / 2))
        if 0 <= self._marked < len(self._images):
            aside = sheet.gap / 2
            painter.drawRect(self._place(sheet, self._marked).adjusted(-aside, -aside, aside, aside))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        index = self._index_at(event.position())
        if index is not None:
            self.chosen.emit(index)

    def event(self, event: QEvent) -> bool:
        """Names the tile under the mouse."""
        if isinstance(event, QHelpEvent):
            index = self._index_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if index is None else self._name_of(index), self)
            return True
        return super().event(event)

    def _index_at(self, point: QPointF) -> int | None:
        sheet = self.sheet
        return None if sheet is None else sheet.index_at(point.y(), point.x())

    def _place(self, sheet: Sheet, index: int) -> QRectF:
        top, left = sheet.place(index)
        return QRectF(left, top, sheet.tile[1], sheet.tile[0])
