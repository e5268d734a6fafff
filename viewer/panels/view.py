"""View panel: displayed field, colour map, levels and histogram."""

import math
import re

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from aetheria.observe.colour_maps import COLOUR_MAPS
from viewer.controllers.controller import Controller
from viewer.controllers.view_commands import OWN_COLOURS
from viewer.model.messages import Message
from viewer.model.palette import colour_table, histogram
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice, Levels
from viewer.panels.colour_bar import ColourBar, swatch, swatch_size
from viewer.panels.contrast import ContrastRows
from viewer.panels.histogram import HistogramPlot
from viewer.panels.mix import MixRows
from viewer.panels.panel import Panel, scrolled
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import plain_tooltip, set_plain_text

_TOOLTIP = Qt.ItemDataRole.ToolTipRole


class ViewPanel(Panel):
    """Choices of field, universe, colour map and levels; below them the histogram of visible values."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.field = _combo("Field", "The displayed field (N: the next)")
        self.field.textActivated.connect(controller.set_field)
        self.meaning = accessible(QLabel(), "Meaning of the field")
        self.meaning.setWordWrap(True)
        self.universe = accessible(QSpinBox(), "Universe")
        self.universe.setToolTip("The displayed universe of the batch (U: the next)")
        self.universe.valueChanged.connect(lambda universe: controller.model.change_view(universe=universe))
        self.colours = _combo("Colour map", "Colours from low to high values (C: the next)")
        self.colours.textActivated.connect(self._use_colours)
        self.other_colours = _combo("Colour map of the second field", "Colours of the second field of the blend")
        others = _combo("Second field", "Green, or the second field of a blend"), _combo("Third field", "Blue")
        show = _combo("Fields at once", "One field, three as red, green and blue, or a blend of two (Shift+C: the next)")
        self.mix = MixRows(controller, show, others, self.other_colours)
        self.mode = _combo("Levels", "The values at the ends of the colour map")
        self.contrast = ContrastRows(controller, self.mode)
        self.percentile = self.contrast.percentile
        self.plot = accessible(HistogramPlot(), "Histogram of the visible values")
        self.plot.setToolTip("Number of visible cells by value, on a logarithmic scale; drag a line to lock the levels")
        self.plot.chosen.connect(lambda low, high: controller.levels_locked((low, high)))
        self.bar = accessible(ColourBar(), "Colours from the lower to the upper level")
        self.low, self.high = _number("Lower level"), _number("Upper level")
        self.low.editingFinished.connect(self._enter_levels)
        self.high.editingFinished.connect(self._enter_levels)
        self.unit = accessible(QLabel(alignment=Qt.AlignmentFlag.AlignCenter), "Unit")
        self._form = QFormLayout()
        self._lay_out()
        self._drawn: object = None
        self.model_changed(frozenset({"theme"}))
        self.setEnabled(False)

    def _lay_out(self) -> None:
        form = self._form
        form.addRow("&Field", self.field)
        form.addRow(self.meaning)
        self.mix.add_to(form)
        form.addRow("&Universe", self.universe)
        form.addRow("&Colours", self.colours)
        self.contrast.add_to(form)
        ends = QHBoxLayout()
        for widget, share in ((self.low, 3), (self.unit, 2), (self.high, 3)):
            ends.addWidget(widget, share)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addLayout(form)
        column.addWidget(self.plot)
        column.addWidget(self.bar)
        column.addLayout(ends)
        column.addStretch(1)
        scrolled(self, inner)
        for box in (self.colours, self.other_colours):
            box.setIconSize(swatch_size(self.fontMetrics()))
            for name in COLOUR_MAPS:
                self._offer_colours(box, name)

    def _use_colours(self, text: str) -> None:
        self.controller.model.change_view(colours=self.colours.itemData(self.colours.findText(text)))

    def _offer_colours(self, box: QComboBox, name: str) -> int:
        """The place of a colour map among the choices, where it is added if it is missing, as a law's palette may be."""
        if box.findData(name) < 0:
            box.addItem(
                swatch(name, box.iconSize(), self.devicePixelRatioF()), "states" if name.startswith("#") else name, name
            )
        return box.findData(name)

    # -- updates -------------------------------------------------------------------------------------------------

    def show_source(self, source: FrameSource | None) -> None:
        self.setEnabled(source is not None)
        if source is None:
            self.plot.show_counts(None, None)
            return
        self.field.clear()
        for index, choice in enumerate(source.fields):
            self.field.addItem(choice.name)
            self.field.setItemData(index, plain_tooltip(_explained(choice)), _TOOLTIP)
        self.mix.offer(self.controller.mixable)
        with QSignalBlocker(self.universe):
            self.universe.setRange(0, source.universes - 1)
        self._form.setRowVisible(self.universe, source.universes > 1)
        self.model_changed(frozenset({"view_settings"}))

    def model_changed(self, names: frozenset[str]) -> None:
        if "theme" in names:
            self.plot.paint_in(self.controller.model.theme)
        settings, choice = self.controller.model.view_settings, self.controller.choice
        if "view_settings" not in names or settings is None or choice is None:
            return
        mapped = settings.field != OWN_COLOURS
        self.field.setCurrentText(settings.field)
        set_plain_text(self.meaning, _explained(choice))
        self.colours.setCurrentIndex(self._offer_colours(self.colours, settings.colours or choice.colours))
        self.mix.show(self._form, settings)
        one_map = mapped and (settings.mix is None or settings.mix.kind != "rgb")
        if settings.mix is not None and self.controller.source is not None:
            theirs = next(field.colours for field in self.controller.source.fields if field.name == settings.mix.fields[0])
            self.other_colours.setCurrentIndex(self._offer_colours(self.other_colours, settings.mix.colours or theirs))
        with QSignalBlocker(self.universe):
            self.universe.setValue(settings.universe)
        self.contrast.show(self._form, settings, mapped)
        self._form.setRowVisible(self.colours, one_map)
        for widget in (self.plot, self.bar, self.low, self.unit, self.high):
            widget.setVisible(mapped)
        self.bar.setVisible(one_map)
        self.bar.set_colours(colour_table(settings, choice) if mapped else None)
        set_plain_text(self.unit, "" if choice.unit == "1" else choice.unit)
        self._drawn = None
        self._draw()

    def show_status(self, status: Status) -> None:
        self._draw()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        super().showEvent(event)
        self._draw()

    # -- levels --------------------------------------------------------------------------------------------------

    def _levels(self) -> Levels | None:
        """The levels of the displayed frame, or of the next one."""
        settings, frame = self.controller.model.view_settings, self.controller.frame
        if settings is None or settings.field == OWN_COLOURS:
            return None
        if settings.level_mode == "locked" and settings.levels is not None:
            return settings.levels
        return frame.levels if frame is not None and frame.field == settings.field else None

    def _draw(self) -> None:
        """Updates histogram and levels, if the panel is visible."""
        source, levels = self.controller.source, self._levels()
        if source is None or not self.isVisible():
            return
        for field, value in zip((self.low, self.high), levels or (None, None), strict=True):
            if not field.isModified():
                field.setText("" if value is None else f"{value:.5g}")
                field.setCursorPosition(0)
        sample = source.samples[-1] if source.samples and levels is not None else None
        if self._drawn == (sample and id(sample), levels):
            return
        self._drawn = (sample and id(sample), levels)
        self.plot.show_counts(None if sample is None or levels is None else histogram(sample[1], levels), levels)

    def _enter_levels(self) -> None:
        fields = (self.low, self.high)
        if not any(field.isModified() for field in fields) or any(f.hasFocus() and f is not self.sender() for f in fields):
            return  # nothing was entered, or the other number is still to come
        low, high = (_parsed(field.text()) for field in fields)
        for field in fields:
            field.setModified(False)
        settings = self.controller.model.view_settings
        log = settings is not None and settings.log
        if low is not None and high is not None and low < high and (low > 0 or not log):
            self.controller.levels_locked((low, high))
            return
        given, wanted = (
            f"{self.low.text()} to {self.high.text()}",
            f"two numbers{' above 0' if log else ''}, the lower one first",
        )
        self.controller.view.show_message(Message("warning", f"Levels: {given}; expected {wanted}. The levels are unchanged."))
        self._drawn = None
        self._draw()


def _combo(name: str, tip: str) -> QComboBox:
    combo = accessible(QComboBox(), name)
    combo.setToolTip(tip)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(5)  # it grows with the panel
    return combo


def _number(name: str) -> QLineEdit:
    field = accessible(QLineEdit(), name)
    field.setToolTip(f"{name}: enter another to lock the levels")
    return field


def _parsed(text: str) -> float | None:
    try:
        value = float(text.strip().replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _explained(choice: FieldChoice) -> str:
    """The formula, for the displayed component, and the unit."""
    component = re.search(r"_(\d+)$", choice.name)
    meaning = re.sub(r"(?<![a-z])k\b", component[1], choice.meaning) if component else choice.meaning
    return meaning if choice.unit == "1" else f"{meaning} [{choice.unit}]"
