"""Transport controls under the cells of a live run: play, step, reset, speed."""

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from viewer.controllers.controller import Controller
from viewer.model.model import SPEEDS
from viewer.model.status import Status
from viewer.model.wording import speed_in_words
from viewer.sources.source import FrameSource
from viewer.widgets import theme
from viewer.widgets.accessibility import accessible
from viewer.widgets.icons import Sign, icon


class Transport(QWidget):
    """Buttons for actions that have shortcuts and menu entries as well, and a slider for the speed."""

    def __init__(self, controller: Controller, actions: Mapping[str, QAction]) -> None:
        super().__init__()
        self.controller = controller
        self._playing = False
        self.reset = action_button(actions["reset"], "Reset")
        self.play = action_button(actions["toggle_play"], "Play")
        self.play.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.step = action_button(actions["step_once"], "Step")
        self.speed = accessible(QSlider(Qt.Orientation.Horizontal), "Speed")
        self.speed.setRange(0, len(SPEEDS))
        self.speed.setPageStep(1)
        self.speed.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.speed.setToolTip(f"{actions['faster'].toolTip()}\n{actions['slower'].toolTip()}\n{actions['unlimited'].toolTip()}")
        self.speed.valueChanged.connect(self._speed_chosen)
        self.speed_words = QLabel()
        self.fewer = action_button(actions["stride_down"], "Half the step scale", "\N{DIVISION SIGN}2")
        self.stride_words = QLabel()
        self.more = action_button(actions["stride_up"], "Double the step scale", "\N{MULTIPLICATION SIGN}2")
        layout = QHBoxLayout(self)
        for widget in (self.reset, self.play, self.step, self.speed, self.speed_words):
            layout.addWidget(widget, 3 if widget is self.speed else 0)
        layout.addSpacing(self.fontMetrics().height())
        for widget in (self.fewer, self.stride_words, self.more):
            layout.addWidget(widget)
        layout.addStretch(1)
        controller.model.listeners.append(self.model_changed)
        self.model_changed(frozenset({"speed", "stride", "theme"}))
        self._settle()
        self.show_source(None)

    def show_source(self, source: FrameSource | None) -> None:
        """A source was opened, or closed (None); recordings have a timeline instead."""
        self.setVisible(source is not None and source.live)
        self.speed.setEnabled(source is not None and source.runs)
        # Code that steps its own motor has a speed that the window does not know; a server tells it.
        self.speed_words.setVisible(source is not None and (source.runs or source.elsewhere))

    def show_status(self, status: Status) -> None:
        """Updates the play button."""
        if status.playing != self._playing:
            self._playing = status.playing
            self._show_playing()

    def model_changed(self, names: frozenset[str]) -> None:
        """Attributes of the model changed."""
        model = self.controller.model
        if "speed" in names:
            place = len(SPEEDS) if model.speed is None else nearest_speed(model.speed)
            self.speed.blockSignals(True)
            self.speed.setValue(place)
            self.speed.blockSignals(False)
        if names & {"speed", "stride"}:
            self.speed_words.setText(speed_in_words(model.speed, model.stride))
            self.speed.setAccessibleDescription(self.speed_words.text())
        if "stride" in names:
            self.stride_words.setText(f"{model.stride:,} step{'s' if model.stride > 1 else ''} a frame")
        if "theme" in names:
            self.reset.setIcon(self._icon("reset"))
            self.step.setIcon(self._icon("step"))
            self._show_playing()

    def _icon(self, sign: Sign) -> QIcon:
        shade = self.controller.model.theme
        return icon(sign, theme.colour(shade, "text"), theme.colour(shade, "dim"))

    def _show_playing(self) -> None:
        self.play.setIcon(self._icon("pause" if self._playing else "play"))
        self.play.setText("Pause" if self._playing else "Play")
        self.play.setAccessibleName(self.play.text())

    def _speed_chosen(self, place: int) -> None:
        self.controller.set_speed(SPEEDS[place] if place < len(SPEEDS) else None)

    def _settle(self) -> None:
        """Fixes sizes that fit every text, so that nothing moves when one changes."""
        letters = self.fontMetrics()
        for button in (self.reset, self.play, self.step):
            button.setIconSize(QSize(letters.height(), letters.height()))
        self.play.setText("Pause")
        self.play.ensurePolished()
        self.play.setFixedWidth(self.play.sizeHint().width())
        self._show_playing()
        self.speed.setMinimumWidth(3 * letters.height())
        self.speed.setMaximumWidth(12 * letters.height())
        self.speed_words.setMinimumWidth(letters.horizontalAdvance("999 steps a second"))
        self.stride_words.setMinimumWidth(letters.horizontalAdvance("64 steps a frame"))
        self.stride_words.setAlignment(Qt.AlignmentFlag.AlignCenter)


class ActionButton(QToolButton):
    """A button that triggers an action, and is enabled with it."""

    def __init__(self, action: QAction, text: str) -> None:
        super().__init__()
        self._does = action
        self.setText(text)
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._changed)  # a method: Qt disconnects it with the button
        self._changed()

    def _changed(self) -> None:
        self.setEnabled(self._does.isEnabled())
        self.setToolTip(self._does.toolTip())


def nearest_speed(speed: float) -> int:
    """Place of the speed on the slider that is nearest to another one, such as a server's.

    >>> nearest_speed(25.0), nearest_speed(1000.0)
    (4, 8)
    """
    return min(range(len(SPEEDS)), key=lambda place: abs(SPEEDS[place] - speed))


def action_button(action: QAction, name: str, text: str = "") -> QToolButton:
    """A button for an action, with an accessible name."""
    return accessible(ActionButton(action, text), name)
