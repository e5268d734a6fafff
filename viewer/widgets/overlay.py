"""Painted under and over the cells: background, grid lines, scale bar and marker."""

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPalette, QPen

from viewer.model.region import Region
from viewer.model.viewport import Viewport

LINES_FROM = 12.0  # smallest size of a cell, in points, for grid lines
_LINES_FULL = 32.0  # size from which the lines have full strength
_STRONGEST = 70  # largest opacity of the lines, of 255: faint, so as not to hide the cells
_BAR = 120.0  # largest length of the scale bar in points


class OverlayPainter:
    """A painter on the canvas in cell coordinates.

    Attributes:
        painter: in points of the widget.
        viewport: the visible part of the plane, in pixels of the screen.
        ratio: pixels per point.
        palette: the colours of the window.
    """

    def __init__(self, painter: QPainter, viewport: Viewport, ratio: float, palette: QPalette) -> None:
        self.painter, self.viewport, self.ratio, self.palette = painter, viewport, ratio, palette

    def ground(self, covered: bool) -> None:
        """Fills the background and the grid, hatched unlike any cells.

        Args:
            covered: the frame hides the visible part of the grid; only the rim is drawn.
        """
        roles, painter = QPalette.ColorRole, self.painter
        height, width = self.viewport.screen
        grid_item = self._rectangle(0, 0, *self.viewport.grid)
        screen = QRectF(0, 0, width / self.ratio, height / self.ratio)
        for part in _around(screen, grid_item) if covered else [screen]:
            painter.fillRect(part, self.palette.color(roles.Window))
        if not covered:
            painter.fillRect(grid_item, self.palette.color(roles.Button))
            painter.fillRect(
                grid_item, QBrush(_faint(self.palette.color(roles.PlaceholderText), 60), Qt.BrushStyle.BDiagPattern)
            )
        rim, thin = _faint(self.palette.color(roles.PlaceholderText), 130), 1 / self.ratio
        for edge in (
            QRectF(grid_item.left() - thin, grid_item.top() - thin, grid_item.width() + 2 * thin, thin),
            QRectF(grid_item.left() - thin, grid_item.bottom(), grid_item.width() + 2 * thin, thin),
            QRectF(grid_item.left() - thin, grid_item.top(), thin, grid_item.height()),
            QRectF(grid_item.right(), grid_item.top(), thin, grid_item.height()),
        ):
            painter.fillRect(edge, rim)  # Qt blends a rectangle ten times as fast as a line

    def lines(self, region: Region) -> None:
        """Lines between large cells of a region, every tenth a little stronger; they fade in as the cells grow."""
        size = self.viewport.scale / self.ratio
        if size < LINES_FROM:
            return
        strength = _STRONGEST * min(1.0, 0.35 + 0.65 * (size - LINES_FROM) / (_LINES_FULL - LINES_FROM))
        frame = self._rectangle(region.top, region.left, region.top + region.height, region.left + region.width)
        thin = 1 / self.ratio
        for at in range(region.left, region.left + region.width + 1):
            x = round(self.viewport.pixel_of(0, at)[1]) / self.ratio
            self._fill(QRectF(x, frame.top(), thin, frame.height()), strength, at)
        for at in range(region.top, region.top + region.height + 1):
            y = round(self.viewport.pixel_of(at, 0)[0]) / self.ratio
            self._fill(QRectF(frame.left(), y, frame.width(), thin), strength, at)

    def _fill(self, line: QRectF, strength: float, at: int) -> None:
        self.painter.fillRect(line, QColor(128, 128, 128, int(strength * (1.8 if at % 10 == 0 else 1.0))))

    def marker(self, y: int, x: int) -> None:
        """A frame around one cell with a minimum size, in two colours for contrast with any cells."""
        frame = self._rectangle(y, x, y + 1, x + 1)
        grow = max(1.0, (9.0 - frame.width()) / 2)
        frame.adjust(-grow, -grow, grow, grow)
        roles = QPalette.ColorRole
        for width, role in ((4.0, roles.Base), (2.0, roles.Highlight)):
            pen = QPen(self.palette.color(role), width)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            self.painter.setPen(pen)
            self.painter.drawRect(frame)

    def scale(self) -> None:
        """A scale bar with its length in cells, in the bottom left corner, beside an edge of the grid that would cross it."""
        cells = bar_length(_BAR * self.ratio / self.viewport.scale)
        length = cells * self.viewport.scale / self.ratio
        height, width = self.viewport.screen[0] / self.ratio, self.viewport.screen[1] / self.ratio
        font = QFontMetricsF(self.painter.font())
        text, pad = f"{cells:,} cell" + ("s" if cells != 1 else ""), font.height() * 0.4
        box_width = max(length, font.horizontalAdvance(text)) + 4 * pad
        box_height = font.height() + 3 * pad
        if width < 3 * box_width or height < 4 * box_height:
            return
        box = self._clear_of_edges(QRectF(pad, height - box_height - pad, box_width, box_height), pad)
        roles, painter = QPalette.ColorRole, self.painter
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_faint(self.palette.color(roles.Window), 190))
        painter.drawRoundedRect(box, pad / 2, pad / 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.palette.color(roles.WindowText), 1.5))
        painter.drawText(box.adjusted(0, pad / 2, 0, -pad), Qt.AlignmentFlag.AlignHCenter, text)
        start, end, y = box.center().x() - length / 2, box.center().x() + length / 2, box.bottom() - pad
        tick = pad / 2
        painter.drawLines([QLineF(start, y, end, y), QLineF(start, y - tick, start, y), QLineF(end, y - tick, end, y)])

    def _clear_of_edges(self, box: QRectF, gap: float) -> QRectF:
        """The box, moved inside the grid where the left or the lower edge of the grid would cross it."""
        grid, clear = self._rectangle(0, 0, *self.viewport.grid), QRectF(box)
        if self.viewport.wraps:  # cells continue beyond its edges
            return box
        if box.top() - gap < grid.bottom() < box.bottom() + gap:
            clear.moveBottom(grid.bottom() - gap)
        if box.left() - gap < grid.left() < box.right() + gap:
            clear.moveLeft(grid.left() + gap)
        return clear

    def _line(self, y0: float, x0: float, y1: float, x1: float) -> QLineF:
        (down0, right0), (down1, right1) = self.viewport.pixel_of(y0, x0), self.viewport.pixel_of(y1, x1)
        return QLineF(right0 / self.ratio, down0 / self.ratio, right1 / self.ratio, down1 / self.ratio)

    def _rectangle(self, top: float, left: float, bottom: float, right: float) -> QRectF:
        line = self._line(top, left, bottom, right)
        return QRectF(line.p1(), line.p2())


def bar_length(most: float) -> int:
    """The largest of 1, 2, 5, 10, 20 ... that is no more than `most`; at least 1."""
    length = 1
    for step in (2, 5, 10) * 12:
        if step * _power(length) > most:
            break
        length = step * _power(length)
    return length


def _power(length: int) -> int:
    return int(10 ** (len(str(length)) - 1))


def _around(screen: QRectF, grid_item: QRectF) -> list[QRectF]:
    """The parts of the screen outside a rectangle, with some overlap, because edges need not lie on whole points."""
    inner = grid_item.toRect().adjusted(1, 1, -1, -1)
    sides = (
        QRectF(screen.topLeft(), QPointF(screen.right(), inner.top())),
        QRectF(QPointF(screen.left(), inner.bottom()), screen.bottomRight()),
        QRectF(screen.topLeft(), QPointF(inner.left(), screen.bottom())),
        QRectF(QPointF(inner.right(), screen.top()), screen.bottomRight()),
    )
    return [side & screen for side in sides if side.isValid()]


def _faint(colour: QColor, alpha: int) -> QColor:
    colour.setAlpha(alpha)
    return colour
