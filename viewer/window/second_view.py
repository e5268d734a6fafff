"""The second picture: a canvas below a line that says what it shows, and in which field and levels."""

from typing import Literal

from PySide6.QtCore import QSignalBlocker
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from viewer.controllers.compare import CompareController
from viewer.controllers.component import ViewInterface
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.palette import colour_table
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.panels.base import named
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource
from viewer.widgets.canvas import Canvas
from viewer.widgets.transport import action_button

Levelling = Literal["auto", "percentile", "locked", "first"]
_LEVELS: dict[Levelling, str] = {
    "auto": "automatic",
    "percentile": "percentile",
    "locked": "locked",
    "first": "as on the left",
}


def short_title(source: FrameSource) -> str:
    """What a source is called where there is little room: a recording by its file."""
    return source.recording.path.name if isinstance(source, RecordingSource) else source.title


class ViewHeading(QWidget):
    """A line over a canvas: what it shows, and whatever else is put into `row`."""

    def __init__(self, short_title: str) -> None:
        super().__init__()
        self.words = named(QLabel(), short_title)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.words.setMinimumWidth(self.fontMetrics().horizontalAdvance("step 99,999"))
        self.row = QHBoxLayout(self)
        gap = self.fontMetrics().height() // 4
        self.row.setContentsMargins(2 * gap, gap, gap, gap)
        self.row.addWidget(self.words, 1)

    def say(self, text: str) -> None:
        """Shows this, as far as there is room, and all of it as a tooltip."""
        self.words.setText(text)
        self.words.setToolTip(text)


class SecondView(QWidget):
    """A `ViewInterface` for the second controller; what it has to tell goes to the window."""

    def __init__(self, window: ViewInterface, compare: CompareController, close: QAction) -> None:
        super().__init__()
        self.window_view, self.compare = window, compare
        self.canvas = Canvas()
        self.canvas.setAccessibleName("Cells of the second picture")
        self.heading = ViewHeading("Second picture")
        self.field = named(QComboBox(), "Field of the second picture")
        self.field.textActivated.connect(self._choose_field)
        self.universe = named(QSpinBox(), "Universe of the second picture")
        self.universe.setPrefix("universe ")
        self.universe.valueChanged.connect(self._choose_universe)
        self.levels = named(QComboBox(), "Levels of the second picture")
        self.levels.setToolTip("Between which levels it is painted; as on the left: in its colours, too")
        self.field.setToolTip("What of the cells is shown on the right")
        for choice in (self.field, self.levels):
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            choice.setMinimumContentsLength(4)
            choice.setMinimumWidth(0)
        for levelling, text in _LEVELS.items():
            self.levels.addItem(text, levelling)
        self.levels.activated.connect(self._choose_levels)
        self.away = action_button(close, "Close the second picture", "\N{MULTIPLICATION SIGN}")
        for widget in (self.field, self.universe, self.levels, self.away):
            self.heading.row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.heading)
        column.addWidget(self.canvas, 1)

    def show_second(self) -> None:
        """The second controller is there: shows its choices, now and whenever they change."""
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

    # -- what the user chooses -----------------------------------------------------------------------------------

    def _choose_field(self, name: str) -> None:
        if self.compare.second is not None:
            self.compare.second.set_field(name)

    def _choose_universe(self, universe: int) -> None:
        if self.compare.second is not None:
            self.compare.second.model.change_view(universe=universe)

    def _choose_levels(self, index: int) -> None:
        levelling, second = self.levels.itemData(index), self.compare.second
        self.compare.paint_as_first(levelling == "first")
        if second is not None and levelling != "first":
            {"auto": second.levels_auto, "percentile": second.levels_percentile, "locked": second.levels_locked}[levelling]()

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
            self.levels.setCurrentIndex(self.levels.findData("first" if self.compare.as_first else settings.level_mode))
            if second.frame is not None and second.frame.field == settings.field:
                self.show_frame(second.frame)

    # -- what its controller asks --------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        """The recording was opened, or closed (None)."""
        if source is not None:
            self.canvas.set_grid(*source.grid)

    def show_frame(self, frame: RenderedFrame) -> None:
        """Draws it."""
        second = self.compare.second
        if (
            second is not None
            and second.choice is not None
            and second.model.view_settings is not None
            and second.source is not None
        ):
            self.canvas.show(frame, colour_table(second.model.view_settings, second.choice))
            self.heading.say(f"step {frame.step:,}, {short_title(second.source)}")

    def show_status(self, status: Status) -> None:
        """The numbers below are those of the first picture."""

    def show_message(self, message: Message) -> None:
        """Tells the user, where the rest is told."""
        self.window_view.show_message(message)

    def show_waiting(self, what: str) -> None:
        """Says what is being waited for."""
        self.window_view.show_waiting(what)

    def show_region(self, region: Region) -> None:
        """Moves the view."""
        self.canvas.show_region(region)

    def centre(self, y: float, x: float) -> None:
        """Moves the view so that this point, in cells, is in the middle."""
        self.canvas.centre(y, x)

    def zoom(self, factor: float | None) -> None:
        """Zooms the canvas."""
        self.canvas.zoom(factor)
