"""Parts that come along with the controller, and what they may ask of it and of the window. No Qt."""

from collections.abc import Callable
from typing import Protocol

from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.model import ViewerModel
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice
from viewer.sources.source import FrameSource


class ViewInterface(Protocol):
    """What the controller asks of the window."""

    def show_source(self, source: FrameSource | None) -> None:
        """Something was opened, or closed (None)."""

    def show_frame(self, frame: RenderedFrame) -> None:
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


class ComponentHost(Protocol):
    """What a component asks of the controller, which has components and therefore stands above them.

    Attributes:
        view: the window.
        model: the viewer's own state.
        source: what is open, or None.
        picture: the last good one.
        visible: whether anybody can see the window.
        components: those that came along so far.
    """

    view: ViewInterface
    model: ViewerModel
    source: FrameSource | None
    frame: RenderedFrame | None
    visible: bool
    components: list["Component"]

    @property
    def choice(self) -> FieldChoice | None:
        """The field that is shown."""

    def attempt(self, action: Callable[[], object]) -> bool:
        """Does something that may fail for a reason the user can be told; whether it went well."""

    def failed(self, error: Exception) -> None:
        """Tells the user what went wrong."""


class Component:
    """A part of the viewer that comes along with the controller: told what is opened, and called at every tick.

    The controller makes it, as an attribute that actions name: "tools.undo".
    """

    def __init__(self, controller: ComponentHost) -> None:
        self.controller = controller
        controller.components.append(self)

    def opened(self, source: FrameSource) -> None:
        """Something was opened."""

    def closed(self) -> None:
        """What was open is being closed."""

    def restarted(self) -> None:
        """The run is back at its start."""

    def tick(self) -> None:
        """Called some sixty times a second, whether anything is open or not; must not wait."""
