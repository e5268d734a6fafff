"""Names of widgets for screen readers."""

from typing import TypeVar

from PySide6.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def accessible(widget: W, name: str) -> W:
    """The widget, with the name that a screen reader says."""
    widget.setAccessibleName(name)
    return widget
