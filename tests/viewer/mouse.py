"""Events of a mouse that, unlike QTest's, also come when the pointer was there before."""

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

NONE = Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier


def move(target: QWidget, point: QPoint, held: Qt.MouseButton = NONE) -> None:
    """Moves over a widget, with a button held or none."""
    place = QPointF(point)
    event = QMouseEvent(QMouseEvent.Type.MouseMove, place, QPointF(target.mapToGlobal(place)), NONE, held, PLAIN)
    QApplication.sendEvent(target, event)


def turn(target: QWidget, point: QPointF, notches: float) -> None:
    """Turns the wheel, away from the user for positive numbers."""
    turned = QPoint(0, int(120 * notches))
    phase = Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(point, QPointF(target.mapToGlobal(point)), QPoint(), turned, NONE, PLAIN, phase, False)
    QApplication.sendEvent(target, event)
