"""Icons for buttons, drawn in the text colour, and the program's icon."""

from typing import Literal

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF

Sign = Literal["play", "pause", "step", "reset", "first", "last"]
_SIDE = 64  # drawn large and scaled down: sharp on any screen

_SHAPES: dict[Sign, tuple[tuple[tuple[int, int], ...], ...]] = {
    "play": (((16, 10), (54, 32), (16, 54)),),
    "pause": (((14, 10), (26, 10), (26, 54), (14, 54)), ((38, 10), (50, 10), (50, 54), (38, 54))),
    "step": (((8, 10), (40, 32), (8, 54)), ((44, 10), (54, 10), (54, 54), (44, 54))),
    "first": (((60, 10), (38, 32), (60, 54)), ((38, 10), (16, 32), (38, 54)), ((6, 10), (14, 10), (14, 54), (6, 54))),
    "last": (((4, 10), (26, 32), (4, 54)), ((26, 10), (48, 32), (26, 54)), ((50, 10), (58, 10), (58, 54), (50, 54))),
    "reset": (((56, 10), (24, 32), (56, 54)), ((10, 10), (20, 10), (20, 54), (10, 54))),
}


def icon(sign: Sign, colour: QColor, dim: QColor) -> QIcon:
    """An icon in a colour, and in a dimmer one for a disabled button."""
    made = QIcon()
    for shade, mode in ((colour, QIcon.Mode.Normal), (dim, QIcon.Mode.Disabled)):
        pixmap = QPixmap(_SIDE, _SIDE)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(shade)
        for corners in _SHAPES[sign]:
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
        painter.end()
        made.addPixmap(pixmap, mode)
    return made


def program_icon() -> QIcon:
    """A glider, for title bars and task bars; the same in both themes."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(QColor("#1d1f23"))
    painter = QPainter(pixmap)
    side = _SIDE // 4
    for y, x in ((0, 1), (1, 2), (2, 0), (2, 1), (2, 2)):
        painter.fillRect((2 * x + 1) * side // 2 + 1, (2 * y + 1) * side // 2 + 1, side - 2, side - 2, QColor("#e8914f"))
    painter.end()
    return QIcon(pixmap)
