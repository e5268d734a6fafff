"""Menu entries for the table of actions."""

from collections.abc import Callable

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from viewer.controllers.actions import Action


def menu_action(window: QWidget, action: Action, call: Callable[[], object]) -> QAction:
    """A QAction with text, shortcuts and tooltip of an action; its data is the action."""
    made = QAction(action.text, window)
    made.setShortcuts([QKeySequence(key) for key in action.keys])
    made.setToolTip(tooltip(action))
    made.setStatusTip(action.tip)
    made.setData(action)
    made.setCheckable(bool(action.checked))
    made.triggered.connect(lambda _checked=False: call())
    return made


def tooltip(action: Action) -> str:
    """The tip of an action with its displayed shortcut."""
    return f"{action.tip} ({action.keys[0]})"
