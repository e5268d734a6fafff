"""Timeline under the cells of a recording: frame slider and playback controls."""

from collections.abc import Mapping

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QAction, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from viewer.controllers.controller import Controller
from viewer.controllers.player import PlaybackPosition
from viewer.widgets import theme
from viewer.widgets.accessibility import accessible
from viewer.widgets.icons import Sign, icon
from viewer.widgets.transport import action_button

_BUTTONS: dict[str, tuple[str, Sign]] = {
    "player.first": ("First frame", "first"),
    "player.back": ("Frame back", "reset"),
    "toggle_play": ("Play", "play"),
    "player.forward": ("Frame forward", "step"),
    "player.last": ("Last frame", "last"),
}
_FASTEST = 1000.0  # frames per second


class FrameSlider(QSlider):
    """A slider whose handle jumps to the mouse."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setPageStep(10)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Page Up goes back, as elsewhere in the window."""
        leaps = {Qt.Key.Key_PageUp: -self.pageStep(), Qt.Key.Key_PageDown: self.pageStep()}
        leap = leaps.get(Qt.Key(event.key()))
        if leap is None:
            super().keyPressEvent(event)
        else:
            self.setValue(self.value() + leap)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        self.setSliderDown(True)
        self.setSliderPosition(self._value_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self.isSliderDown():
            self.setSliderPosition(self._value_at(event.position()))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(False)
        event.accept()

    def _value_at(self, position: QPointF) -> int:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        control, style = QStyle.ComplexControl.CC_Slider, self.style()
        groove = style.subControlRect(control, option, QStyle.SubControl.SC_SliderGroove, self)
        handle = style.subControlRect(control, option, QStyle.SubControl.SC_SliderHandle, self)
        x = round(position.x()) - groove.x() - handle.width() // 2
        return QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), x, groove.width() - handle.width())


class Timeline(QWidget):
    """A slider over the frames, above buttons, position and speed.

    The buttons trigger actions that have shortcuts and menu entries as well.
    """

    def __init__(self, controller: Controller, actions: Mapping[str, QAction]) -> None:
        super().__init__()
        self.controller = controller
        self._playing = False
        self.slider = accessible(FrameSlider(), "Frame")
        self.slider.setToolTip("Drag to any frame")
        self.slider.sliderPressed.connect(controller.player.hold)
        self.slider.valueChanged.connect(controller.player.seek)
        self.slider.sliderReleased.connect(controller.player.let_go)
        self.buttons = {name: action_button(actions[name], words) for name, (words, _) in _BUTTONS.items()}
        self.play = self.buttons["toggle_play"]
        self.position_text = accessible(QLabel(), "Position")
        self.speed = accessible(QDoubleSpinBox(), "Frames per second")
        self.stride = accessible(QSpinBox(), "Frames per update")
        self.loop = action_button(actions["player.toggle_loop"], "Loop", "Loop")
        self.newest = action_button(actions["player.toggle_newest"], "Stay at the newest frame", "Newest")
        for button, name in ((self.loop, "player.toggle_loop"), (self.newest, "player.toggle_newest")):
            button.setCheckable(True)
            actions[name].toggled.connect(button.setChecked)
        self._prepare(actions)
        self._lay_out()
        controller.player.listeners.append(self._moved)
        controller.model.listeners.append(self.model_changed)
        self.model_changed(frozenset({"speed", "stride", "theme"}))
        self._moved()

    def model_changed(self, names: frozenset[str]) -> None:
        """Attributes of the model changed."""
        model = self.controller.model
        if "speed" in names:
            self.speed.blockSignals(True)
            self.speed.setValue(model.speed or 0.0)
            self.speed.blockSignals(False)
        if "stride" in names:
            self.stride.blockSignals(True)
            self.stride.setValue(model.stride)
            self.stride.blockSignals(False)
        if "theme" in names:
            for name, (_, sign) in _BUTTONS.items():
                self._paint(name, sign)
            self._show_playing()

    def _moved(self) -> None:
        """The position changed, or a recording was opened or closed."""
        position = self.controller.player.position
        self.setVisible(position is not None)
        if position is None:
            self.position_text.setMinimumWidth(0)
            return
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, position.frames - 1))
        self.slider.setValue(position.frame_index)
        self.slider.blockSignals(False)
        self.slider.setEnabled(position.frames > 1)
        self._say(position_text(position))
        self.slider.setAccessibleDescription(self.position_text.text())
        if position.playing != self._playing:
            self._playing = position.playing
            self._show_playing()

    def _say(self, text: str) -> None:
        self.position_text.setText(text)
        # Never narrower than before: the slider must not move while it is dragged.
        self.position_text.setMinimumWidth(max(self.position_text.minimumWidth(), self.position_text.sizeHint().width()))

    def _show_playing(self) -> None:
        self.play.setAccessibleName("Pause" if self._playing else "Play")
        self._paint("toggle_play", "pause" if self._playing else "play")

    def _paint(self, name: str, sign: Sign) -> None:
        shade = self.controller.model.theme
        self.buttons[name].setIcon(icon(sign, theme.colour(shade, "text"), theme.colour(shade, "dim")))

    def _prepare(self, actions: Mapping[str, QAction]) -> None:
        letters = self.fontMetrics()
        for button in self.buttons.values():
            button.setIconSize(QSize(letters.height(), letters.height()))
        self.speed.setRange(0.0, _FASTEST)
        self.speed.setDecimals(1)
        self.speed.setSingleStep(5.0)
        self.speed.setSuffix(" frames/s")
        self.speed.setSpecialValueText("unlimited")
        self.speed.setToolTip(f"{actions['faster'].toolTip()}\n{actions['slower'].toolTip()}\n{actions['unlimited'].toolTip()}")
        self.speed.setKeyboardTracking(False)
        self.speed.valueChanged.connect(lambda speed: self.controller.set_speed(speed or None))
        self.stride.setRange(1, 1 << 20)
        self.stride.setPrefix("1 frame in ")
        self.stride.setSpecialValueText("every frame")
        self.stride.setToolTip(f"{actions['stride_up'].toolTip()}\n{actions['stride_down'].toolTip()}")
        self.stride.setKeyboardTracking(False)
        self.stride.valueChanged.connect(lambda stride: self.controller.model.set(stride=stride))

    def _lay_out(self) -> None:
        whole, row = QVBoxLayout(self), QHBoxLayout()
        above = QHBoxLayout()
        above.addWidget(self.slider, 1)
        above.addWidget(self.position_text)
        whole.addLayout(above)
        for button in self.buttons.values():
            row.addWidget(button)
        row.addStretch(1)
        for widget in (self.speed, self.stride, self.loop, self.newest):
            row.addWidget(widget)
        whole.addLayout(row)


def position_text(position: PlaybackPosition) -> str:
    """Frame, step and time; frames are counted from 1 for the user."""
    if not position.frames:
        return "no frame yet"
    time = "" if position.time == position.step else f", t = {position.time:,.4g}"
    return f"frame {position.frame_index + 1:,} of {position.frames:,}, step {position.step:,}{time}"
