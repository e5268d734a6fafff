"""Keys that belong to the widget that has the focus, though an action has them as well."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QTabBar,
    QWidget,
)

_Key = Qt.Key
_ENTER = {_Key.Key_Return, _Key.Key_Enter}
_PRESSES = {_Key.Key_Space}
_MOVES = {_Key.Key_Left, _Key.Key_Right, _Key.Key_Home, _Key.Key_End, _Key.Key_PageUp, _Key.Key_PageDown}
_THEIRS: dict[tuple[type[QWidget], ...], set[Qt.Key]] = {
    (QAbstractButton,): _PRESSES,
    (QComboBox, QAbstractItemView): _PRESSES | _MOVES,
    (QAbstractSlider, QTabBar): _MOVES,
    (QAbstractSpinBox, QLineEdit): _MOVES | _ENTER,
}


def belongs_to(widget: QWidget | None, key: int) -> bool:
    """Whether a key, pressed alone, is the widget's: Space presses a button, arrows move a slider, Enter ends typing."""
    return any(key in keys and isinstance(widget, kinds) for kinds, keys in _THEIRS.items())
