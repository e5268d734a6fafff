"""What every panel is."""

from typing import TypeVar

from PySide6.QtWidgets import QWidget

from viewer.controller import Controller
from viewer.model import Picture, Status
from viewer.source import Source

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str) -> W:
    """The widget, with the name that a screen reader says."""
    widget.setAccessibleName(name)
    return widget


class Panel(QWidget):
    """A widget beside the canvas. It changes things through the controller, and hears of changes by the methods here."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        controller.model.listeners.append(self.changed)

    def opened(self, source: Source | None) -> None:
        """Something was opened, or closed (None)."""

    def changed(self, names: frozenset[str]) -> None:
        """Attributes of the model changed."""

    def status(self, status: Status) -> None:
        """New numbers, a few times a second."""

    def pictured(self, picture: Picture) -> None:
        """A new picture was drawn; called up to sixty times a second."""

    def hovered(self, y: int, x: int) -> None:
        """The mouse is over this cell; (-1, -1) for none."""
