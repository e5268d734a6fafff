"""Base class of panels, and scrolling contents."""

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from viewer.controllers.controller import Controller
from viewer.model.frame import RenderedFrame
from viewer.model.status import Status
from viewer.sources.source import FrameSource


class ScrollPanel(QScrollArea):
    """Takes the width of its contents, and scrolls vertically."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.inner = inner
        self.setWidget(inner)
        inner.installEventFilter(self)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        usual = 34 * self.fontMetrics().horizontalAdvance("0")
        return QSize(max(usual, self.minimumSizeHint().width()), self.inner.sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        width = self.inner.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        return QSize(width, 4 * self.fontMetrics().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def scrolled(panel: QWidget, inner: QWidget) -> "ScrollPanel":
    """Fills a panel with scrolling contents; returns their area."""
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(0, 0, 0, 0)
    area = ScrollPanel(inner)
    layout.addWidget(area)
    return area


class Panel(QWidget):
    """A widget beside the canvas. It acts through the controller, and is told of changes by the methods here."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        controller.model.listeners.append(self.model_changed)

    def show_source(self, source: FrameSource | None) -> None:
        """A source was opened, or closed (None)."""

    def model_changed(self, names: frozenset[str]) -> None:
        """Attributes of the model changed."""

    def show_status(self, status: Status) -> None:
        """Shows new figures; called a few times a second."""

    def show_frame(self, frame: RenderedFrame) -> None:
        """A new frame was drawn; called up to sixty times a second."""

    def hovered(self, y: int, x: int) -> None:
        """The mouse is over this cell; (-1, -1) for none."""
