"""The second view: a canvas with a heading for its field and levels."""

from dataclasses import replace
from typing import Literal

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from aetheria.observe.colour_maps import colour_map
from viewer.controllers.compare import CompareController
from viewer.controllers.component import ViewInterface
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.palette import colour_table
from viewer.model.status import Status
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.canvas import Canvas
from viewer.widgets.plain_text import set_plain_text, set_plain_tooltip
from viewer.widgets.transport import action_button
from viewer.window.canvas_view import CanvasView

Levelling = Literal["auto", "percentile", "locked", "first", "difference"]
_LEVELS: dict[Levelling, str] = {
    "auto": "automatic",
    "percentile": "percentile",
    "locked": "locked",
    "first": "as left",
    "difference": "difference",
}


def short_title(source: FrameSource) -> str:
    """A short title of a source: the file name of a recording."""
    return source.recording.path.name if isinstance(source, RecordingSource) else source.title


class ViewHeading(QWidget):
    """A line over a canvas: its title, and further widgets in `row`."""

    def __init__(self, short_title: str) -> None:
        super().__init__()
        self.title = accessible(QLabel(), short_title)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.title.setMinimumWidth(self.fontMetrics().horizontalAdvance("step 999"))
        self._text = ""
        self.row = QHBoxLayout(self)
        gap = self.fontMetrics().height() // 4
        self.row.setContentsMargins(2 * gap, gap, gap, gap)
        self.row.addWidget(self.title, 1)

    def say(self, text: str) -> None:
        """Shows a text, shortened to the room there is, and all of it as a tooltip."""
        self._text = text
        set_plain_tooltip(self.title, text)
        self._shorten()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._shorten()

    def _shorten(self) -> None:
        self.row.activate()  # so that the title has its width
        room = self.title.width()
        set_plain_text(self.title, self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, room))


class SecondView(CanvasView, QWidget):
    """The view of the second controller; its messages are shown by the window."""

    def __init__(self, window: ViewInterface, compare: CompareController, close: QAction) -> None:
        super().__init__()
        self.window_view, self.compare = window, compare
        self.canvas = Canvas()
        self.canvas.setAccessibleName("Cells of the second view")
        self.heading = ViewHeading("Second view")
        self.field = accessible(QComboBox(), "Field of the second view")
        self.field.textActivated.connect(self._choose_field)
        self.universe = accessible(QSpinBox(), "Universe of the second view")
        self.universe.setPrefix("universe ")
        self.universe.valueChanged.connect(self._choose_universe)
        self.levels = accessible(QComboBox(), "Levels of the second view")
        self.levels.setToolTip(
            "Levels of the second view; as left: with its colours, too; difference: left minus right (Ctrl+Alt+D)"
        )
        self.field.setToolTip("The field on the right")
        for choice in (self.field, self.levels):
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            choice.setMinimumContentsLength(4)
            choice.setMinimumWidth(0)
        for levelling, text in _LEVELS.items():
            self.levels.addItem(text, levelling)
        self.levels.activated.connect(self._choose_levels)
        self.away = action_button(close, "Close the second view", "\N{MULTIPLICATION SIGN}")
        for widget in (self.field, self.universe, self.levels, self.away):
            self.heading.row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.heading)
        column.addWidget(self.canvas, 1)

    def show_second(self) -> None:
        """Shows the choices of the second controller, now and whenever they change."""
        second = self.compare.second
        assert second is not None
        assert second.source is not None
        self.canvas.area_changed.connect(second.set_visible_area)
        self.field.addItems([choice.name for choice in second.source.fields])
        with QSignalBlocker(self.universe):
            self.universe.setRange(0, second.source.universes - 1)
        self.universe.setVisible(second.source.universes > 1)
        second.model.listeners.append(self._changed)
        self._changed(frozenset({"view_settings", "grid_lines"}))

    # -- choices -------------------------------------------------------------------------------------------------

    def _choose_field(self, name: str) -> None:
        if self.compare.second is not None:
            self.compare.second.set_field(name)

    def _choose_universe(self, universe: int) -> None:
        if self.compare.second is not None:
            self.compare.second.model.change_view(universe=universe)

    def _choose_levels(self, index: int) -> None:
        self.choose_levels(self.levels.itemData(index))

    def choose_levels(self, levelling: Levelling) -> None:
        """Sets how the second view is coloured."""
        second = self.compare.second
        self.compare.subtract(levelling == "difference")
        self.compare.paint_as_first(levelling in ("first", "difference"))
        if second is not None and levelling in ("auto", "percentile", "locked"):
            {"auto": second.levels_auto, "percentile": second.levels_percentile, "locked": second.levels_locked}[levelling]()
        self._changed(frozenset({"view_settings"}))

    def _changed(self, names: frozenset[str]) -> None:
        second = self.compare.second
        if second is None or second.model.view_settings is None:
            return
        if "grid_lines" in names:
            self.canvas.set_lines(second.model.grid_lines)
        if "view_settings" in names:
            settings = second.model.view_settings
            self.field.setCurrentText(settings.field)
            with QSignalBlocker(self.universe):
                self.universe.setValue(settings.universe)
            self.field.setEnabled(settings.mix is None or not self.compare.as_first)
            special = "difference" if self.compare.subtracts else "first" if self.compare.as_first else ""
            self.levels.setCurrentIndex(self.levels.findData(special or settings.level_mode))
            if second.frame is not None and second.frame.field == settings.field:
                self.show_frame(second.frame)

    # -- view ----------------------------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        """The recording was opened, or closed (None)."""
        if source is not None:
            self.show_plane(replace(source.plane, slice=source.first_view_settings.slice))

    def show_frame(self, frame: RenderedFrame) -> None:
        """Draws a frame."""
        second = self.compare.second
        if (
            second is not None
            and second.choice is not None
            and second.model.view_settings is not None
            and second.source is not None
        ):
            if self.compare.subtracts:
                self.show_difference()
                return
            self.canvas.show(frame, colour_table(second.model.view_settings, second.choice))
            self.heading.say(f"step {frame.step:,}, {short_title(second.source)}")

    def show_difference(self) -> None:
        """Draws the left view minus the right one, once both show the same part at the same step."""
        found = self.compare.difference()
        if found is not None:
            self.canvas.show(found.frame, colour_map("balance"))
            self.heading.say(
                f"largest {found.largest:.3g}, mean size {found.mean:.3g}: left minus right at step {found.frame.step:,}"
            )

    def show_status(self, status: Status) -> None:
        """Does nothing: the status bar shows the first view."""

    def show_message(self, message: Message) -> None:
        """Shows a message in the window."""
        self.window_view.show_message(message)

    def show_waiting(self, what: str) -> None:
        """Names the file being opened."""
        self.window_view.show_waiting(what)
