"""Components of the controller, and the interfaces of controller and window that they use. No Qt."""

from collections.abc import Callable
from typing import Protocol

from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.model import ViewerModel
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice
from viewer.sources.source import FrameSource


class ViewInterface(Protocol):
    """The methods that the controller calls on the window."""

    def show_source(self, source: FrameSource | None) -> None:
        """A source was opened, or closed (None)."""

    def show_plane(self, plane: Plane) -> None:
        """Shows a plane of another shape of the same source, all of it."""

    def show_frame(self, frame: RenderedFrame) -> None:
        """Draws a new frame."""

    def show_status(self, status: Status) -> None:
        """Shows new figures; called a few times a second."""

    def show_message(self, message: Message) -> None:
        """Shows a message; does not wait for an answer."""

    def show_waiting(self, what: str) -> None:
        """Names the file being opened; empty when it is open, or cancelled."""

    def show_region(self, region: Region) -> None:
        """Moves and zooms the view to a region."""

    def centre(self, y: float, x: float) -> None:
        """Centres the view on a point, in cells."""

    def zoom(self, factor: float | None) -> None:
        """Zooms by a factor about the centre; None: one pixel per cell."""


class ComponentHost(Protocol):
    """The part of the controller that components use.

    Attributes:
        view: the window.
        model: the state of the viewer.
        source: the open source, or None.
        frame: the last finite frame.
        visible: whether the window can be seen.
        components: the components made so far.
    """

    view: ViewInterface
    model: ViewerModel
    source: FrameSource | None
    frame: RenderedFrame | None
    visible: bool
    components: list["Component"]

    @property
    def plane(self) -> Plane | None:
        """The plane that is shown; None without a source."""

    @property
    def choice(self) -> FieldChoice | None:
        """The displayed field."""

    def attempt(self, action: Callable[[], object]) -> bool:
        """Runs an action, and reports its AetheriaError or OSError to the user; returns whether it succeeded."""

    def failed(self, error: Exception) -> None:
        """Reports an error to the user."""


class Component:
    """A part of the controller with its own state: told when a source is opened or closed, and called at every tick.

    The controller holds it as an attribute that actions name: "tools.undo".
    """

    def __init__(self, controller: ComponentHost) -> None:
        self.controller = controller
        controller.components.append(self)

    def opened(self, source: FrameSource) -> None:
        """A source was opened."""

    def closed(self) -> None:
        """The source is being closed."""

    def restarted(self) -> None:
        """The run is back at its start."""

    def tick(self) -> None:
        """Called about sixty times a second, with or without a source; must not wait."""
