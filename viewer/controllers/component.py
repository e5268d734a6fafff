"""Parts that come along with the controller, and what they may ask of it and of the window. No Qt."""

from collections.abc import Callable
from typing import Protocol

from viewer.model.shown import FieldChoice, Message, Model, Picture, Region, Status
from viewer.sources.source import Source


class View(Protocol):
    """What the controller asks of the window."""

    def show_source(self, source: Source | None) -> None:
        """Something was opened, or closed (None)."""

    def show_picture(self, picture: Picture) -> None:
        """A new picture."""

    def show_status(self, status: Status) -> None:
        """New numbers, a few times a second."""

    def show_message(self, message: Message) -> None:
        """Tells the user; the window lives on."""

    def show_waiting(self, what: str) -> None:
        """Says what is being waited for; empty when it is there, or no longer wanted."""

    def show_region(self, region: Region) -> None:
        """Moves the view so that it shows this region."""

    def centre(self, y: float, x: float) -> None:
        """Moves the view so that this point, in cells, is in the middle."""

    def zoom(self, factor: float | None) -> None:
        """Zooms by a factor about the middle; None: one cell to one pixel."""


class Host(Protocol):
    """What a feature asks of the controller, which has features and therefore stands above them.

    Attributes:
        view: the window.
        model: the viewer's own state.
        source: what is open, or None.
        picture: the last good one.
        visible: whether anybody can see the window.
        features: those that came along so far.
    """

    view: View
    model: Model
    source: Source | None
    picture: Picture | None
    visible: bool
    features: list["Feature"]

    @property
    def choice(self) -> FieldChoice | None:
        """The field that is shown."""

    def attempt(self, action: Callable[[], object]) -> bool:
        """Does something that may fail for a reason the user can be told; whether it went well."""

    def failed(self, error: Exception) -> None:
        """Tells the user what went wrong."""


class Feature:
    """A part of the viewer that comes along with the controller: told what is opened, and called at every tick.

    The controller makes it, as an attribute that actions name: "steering.undo".
    """

    def __init__(self, controller: Host) -> None:
        self.controller = controller
        controller.features.append(self)

    def opened(self, source: Source) -> None:
        """Something was opened."""

    def closed(self) -> None:
        """What was open is being closed."""

    def restarted(self) -> None:
        """The run is back at its start."""

    def tick(self) -> None:
        """Called some sixty times a second, whether anything is open or not; must not wait."""
