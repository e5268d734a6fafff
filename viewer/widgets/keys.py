"""Keyboard focus: keys that belong to the focused widget rather than to an action."""

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QMenu,
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
_CLICKED = (QAbstractButton, QComboBox, QAbstractSlider)


def belongs_to(widget: QWidget | None, key: int) -> bool:
    """Whether a key without modifiers belongs to the widget: Space to a button, arrows to a slider, Enter to a text field."""
    return any(key in keys and isinstance(widget, kinds) for kinds, keys in _THEIRS.items())


def behind_another(widget: QWidget | None) -> bool:
    """Whether a widget is on a panel that another one covers, or is the tab bar of panels that are all closed.

    Qt moves these out of the window, but calls them visible.
    """
    while widget is not None and not isinstance(widget, QDockWidget | QTabBar):
        widget = widget.parentWidget()
    floating = isinstance(widget, QDockWidget) and widget.isFloating()
    window = widget.parentWidget() if widget is not None and not floating else None
    return widget is not None and window is not None and not window.rect().intersects(widget.geometry())


class FocusKeeper(QObject):
    """Keeps the keyboard focus on the cells when buttons and sliders are clicked; Tab still reaches them.

    A clicked button would take Space, a slider the arrow keys. Text fields are left alone.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._moved)

    def _moved(self, before: QWidget | None, now: QWidget | None) -> None:
        clicked = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if clicked and isinstance(now, _CLICKED) and not isinstance(before, QMenu) and self._window.isAncestorOf(now):
            now.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            if before is not None and self._window.isAncestorOf(before):
                before.setFocus()
