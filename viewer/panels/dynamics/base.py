"""Base class of the panels of dynamics: a picture, a line of text below, or the reason why there is nothing."""

from typing import Generic, TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from viewer.controllers.controller import Controller
from viewer.dynamics.watch import DynamicsView, Watch
from viewer.panels.panel import Panel
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import set_plain_text

T = TypeVar("T")
_WAITING = "Waiting for steps."


class DynamicsPanel(Panel, Generic[T]):
    """Shows the results of a `Watch`, which works only while this panel is visible.

    Attributes:
        watch: samples and computes.
        picture: the widget that shows results.
        caption: numbers to the result, in one line.
        row: choices beside the caption.
        column: the picture, above the row.
        nothing: the reason why there is no result.
    """

    lines = 13  # initial and smallest height in lines of text

    def __init__(self, controller: Controller, view: DynamicsView[T], picture: QWidget, name: str) -> None:
        super().__init__(controller)
        self.watch = Watch(controller, view)
        self.picture = accessible(picture, name)
        picture.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.caption = accessible(QLabel(), f"{name}, in numbers")
        self.caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)  # it is cut in a narrow window
        self.nothing = QLabel()
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing.setWordWrap(True)
        self.row = QHBoxLayout()
        self.row.addWidget(self.caption, 1)
        shown = QWidget()
        column = QVBoxLayout(shown)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(picture, 1)
        self._pages = QStackedLayout()
        self._pages.addWidget(self.nothing)
        self._pages.addWidget(shown)
        self.column = QVBoxLayout(self)
        self.column.addLayout(self._pages, 1)
        self.column.addLayout(self.row)
        self.setMinimumHeight(self.lines * self.fontMetrics().lineSpacing())
        self.watch.listeners.append(self.update_picture)
        self.update_picture()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Low at first, to leave room for the cells."""
        return QSize(super().sizeHint().width(), self.lines * self.fontMetrics().lineSpacing())

    def draw(self, result: T) -> str:
        """Draws a result, in the colours of the present theme; returns the caption."""
        raise NotImplementedError

    def model_changed(self, names: frozenset[str]) -> None:
        if "theme" in names:
            self.update_picture()

    def update_picture(self) -> None:
        """Draws the newest result, or says why there is none."""
        result = self.watch.result
        self._pages.setCurrentIndex(int(result is not None))
        set_plain_text(self.nothing, self.watch.reason or _WAITING)
        if result is None:
            set_plain_text(self.caption, "")
        elif self.isVisible():
            set_plain_text(self.caption, self.draw(result))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        super().showEvent(event)
        self.watch.shown = True
        self.update_picture()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self.watch.shown = False
