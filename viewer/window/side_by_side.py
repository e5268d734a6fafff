"""Two canvases side by side that show the same part of their grids."""

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from viewer.controllers.compare import CompareController
from viewer.controllers.controller import Controller
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.sources.opening import open_recording
from viewer.sources.playback import RecordingSource
from viewer.widgets.canvas import Canvas
from viewer.widgets.file_dialogs import ask_what_to_open
from viewer.window.second_view import SecondView, ViewHeading, short_title

_RECORDINGS = {".h5 *.hdf5": "Recordings"}


class SideBySide(QSplitter):
    """Holds the window's canvas, and beside it the second view if there is one.

    Attributes:
        compare: keeps the second view at the step of the first.
        second_view: the second view, or None.
    """

    def __init__(self, controller: Controller, canvas: Canvas, actions: Mapping[str, QAction]) -> None:
        """
        Args:
            controller, canvas: of the first view.
            actions: by name; used when a second view is opened.
        """
        super().__init__(Qt.Orientation.Horizontal)
        self.controller, self.canvas, self._actions = controller, canvas, actions
        self.setChildrenCollapsible(False)
        self.heading = ViewHeading("First view")
        self.heading.hide()
        first = QWidget()
        column = QVBoxLayout(first)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.heading)
        column.addWidget(canvas, 1)
        self.addWidget(first)
        self.setStretchFactor(0, 1)
        self.second_view: SecondView | None = None
        self.compare = CompareController(controller, self._make_second_view)
        self.compare.listeners.append(self._second_changed)
        self._linking = False
        canvas.view_changed.connect(self._second_follows)
        canvas.area_changed.connect(self._second_follows)  # it was resized
        canvas.hovered.connect(self._mark)
        controller.model.listeners.append(self._changed)

    # -- actions -------------------------------------------------------------------------------------------------

    def compare_with(self) -> None:
        """Asks for a recording to show beside the open source."""
        ask_what_to_open(self, "Compare with", _RECORDINGS, self.open_second)

    def compare_itself(self) -> None:
        """Shows the same recording again, in another field."""
        source = self.controller.source
        if isinstance(source, RecordingSource):
            self.open_second(source.recording.path)

    def open_second(self, path: Path) -> None:
        """Shows a recording beside the open source."""
        self.compare.open_second(lambda: open_recording(path))

    def toggle_difference(self) -> None:
        """Shows the difference of both views on the right, or the second view again."""
        if self.second_view is not None:
            self.second_view.choose_levels("first" if self.compare.subtracts else "difference")
        else:
            self.controller.view.show_message(Message("note", "There is no second view to compare with (Ctrl+D opens one)."))

    def close_second(self) -> None:
        """Closes the second view."""
        self.compare.close()

    # -- updates -------------------------------------------------------------------------------------------------

    def show_frame(self, frame: RenderedFrame) -> None:
        """The first canvas shows a new frame."""
        source = self.controller.source
        if self.second_view is not None and source is not None:
            self.heading.say(f"step {frame.step:,}, {frame.field}, {short_title(source)}")
            if self.compare.subtracts:
                self.second_view.show_difference()

    def _make_second_view(self) -> SecondView:
        self._remove_second_view()
        self.second_view = SecondView(self.controller.view, self.compare, self._actions["window.side_by_side.close_second"])
        return self.second_view

    def _remove_second_view(self) -> None:
        if self.second_view is not None:
            self.second_view.hide()
            self.second_view.deleteLater()
            self.second_view = None

    def _second_changed(self) -> None:
        if self.compare.second is None:
            self._remove_second_view()
        elif self.second_view is not None:
            self.addWidget(self.second_view)
            self.setStretchFactor(1, 1)
            half = self.width() // 2
            self.setSizes([half, half])
            self.heading.setFixedHeight(self.second_view.heading.sizeHint().height())  # so that rows of cells are aligned
            self.second_view.show_second()
            self.second_view.canvas.view_changed.connect(self._first_follows)
            self._second_follows()
        self.heading.setVisible(self.second_view is not None)
        if self.controller.frame is not None:
            self.show_frame(self.controller.frame)

    def _changed(self, names: frozenset[str]) -> None:
        second, model = self.compare.second, self.controller.model
        if second is not None:
            second.model.set(grid_lines=model.grid_lines, theme=model.theme)

    def _second_follows(self, *_: object) -> None:
        if self.second_view is not None:
            self._link(self.canvas, self.second_view.canvas)

    def _first_follows(self) -> None:
        if self.second_view is not None:
            self._link(self.second_view.canvas, self.canvas)

    def _link(self, leads: Canvas, follows: Canvas) -> None:
        """Moves one canvas as the other, without moving that in turn."""
        if not self._linking:
            self._linking = True
            follows.show_like(leads.view_area)
            self._linking = False

    def _mark(self, y: int, x: int) -> None:
        """Marks the cell under the mouse in the second view, too."""
        if self.second_view is not None:
            (rows, columns), (height, width) = self.canvas.grid, self.second_view.canvas.grid
            self.second_view.canvas.set_marker((y * height // rows, x * width // columns) if y >= 0 else None)
