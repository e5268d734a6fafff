"""Number input: a slider with a field."""

import math

from PySide6.QtCore import QLocale, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from viewer.widgets.accessibility import accessible

_STEPS = 1000  # places of the slider


class NumberInput(QWidget):
    """A slider over a usual range, and a field for any allowed number.

    Signals:
        chosen(float): the user chose another value; not emitted by `show_value`.
    """

    chosen = Signal(float)

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        *,
        decimals: int = 0,
        most: float | None = None,
        least: float | None = None,
        logarithmic: bool = False,
        suffix: str = "",
    ) -> None:
        """
        Args:
            name: accessible name.
            low, high: range of the slider.
            decimals, least, most: of the field; by default the slider's range.
            logarithmic: the slider is logarithmic; `low` is above 0.
            suffix: text after the number, for example a unit.
        """
        super().__init__()
        self.low, self.high, self.logarithmic = low, high, logarithmic
        self.slider = accessible(QSlider(Qt.Orientation.Horizontal), f"{name}, slider")
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 10)
        self.slider.setSingleStep(_STEPS // 100)
        self.field = accessible(_Field(decimals), name)
        self.field.setRange(low if least is None else least, high if most is None else most)
        self.field.setSingleStep(1 if decimals == 0 else (high - low) / 100)
        self.field.setSuffix(suffix)
        digit = self.fontMetrics().horizontalAdvance("0")
        self.field.setMinimumWidth(9 * digit)
        self.slider.setMinimumWidth(6 * digit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self.field)
        self.setFocusProxy(self.field)
        self.slider.valueChanged.connect(self._slid)
        self.field.valueChanged.connect(self._typed)

    def value(self) -> float:
        """The number in the field."""
        return self.field.value()

    def show_value(self, value: float) -> None:
        """Shows a value set elsewhere."""
        with QSignalBlocker(self.field), QSignalBlocker(self.slider):
            self.field.setValue(value)
            self.slider.setValue(self._place(value))

    def _slid(self, place: int) -> None:
        share = place / _STEPS
        value = self.low * (self.high / self.low) ** share if self.logarithmic else self.low + (self.high - self.low) * share
        self._choose(round(value, self.field.decimals()), move_slider=False)

    def _typed(self, value: float) -> None:
        self._choose(value, move_slider=True)

    def _choose(self, value: float, *, move_slider: bool) -> None:
        with QSignalBlocker(self.field), QSignalBlocker(self.slider):
            self.field.setValue(value)
            if move_slider:
                self.slider.setValue(self._place(value))
        self.chosen.emit(value)

    def _place(self, value: float) -> int:
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return round(_STEPS * math.log(value / self.low) / math.log(self.high / self.low))
        return round(_STEPS * (value - self.low) / (self.high - self.low))


class _Field(QDoubleSpinBox):
    """Shows no superfluous digits, and a decimal point, as in configs."""

    def __init__(self, decimals: int) -> None:
        super().__init__()
        self.setLocale(QLocale(QLocale.Language.C))
        self.setDecimals(decimals)
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        text = f"{value:.{self.decimals()}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
