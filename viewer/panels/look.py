"""Which field is shown, in which colours, between which levels."""

from PySide6.QtWidgets import QComboBox, QFormLayout, QSpinBox

from aetheria.colours import COLOUR_MAPS
from viewer.controller import Controller
from viewer.panels.base import Panel, named
from viewer.source import Source


class LookPanel(Panel):
    """Choices of field, universe, colour map and levels."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        form = QFormLayout(self)
        self.field = named(QComboBox(), "Field")
        self.field.textActivated.connect(controller.set_field)
        self.universe = named(QSpinBox(), "Universe")
        self.universe.valueChanged.connect(lambda u: controller.model.relook(universe=u))
        self.colours = named(QComboBox(), "Colour map")
        self.colours.addItems(COLOUR_MAPS)
        self.colours.textActivated.connect(lambda name: controller.model.relook(colours=name))
        form.addRow("&Field", self.field)
        form.addRow("&Universe", self.universe)
        form.addRow("&Colours", self.colours)
        self.setEnabled(False)

    def opened(self, source: Source | None) -> None:
        self.setEnabled(source is not None)
        if source is not None:
            self.field.clear()
            self.field.addItems([choice.name for choice in source.fields])
            self.universe.setRange(0, source.universes - 1)
            self.changed(frozenset({"look"}))

    def changed(self, names: frozenset[str]) -> None:
        look, choice = self.controller.model.look, self.controller.choice
        if "look" in names and look is not None and choice is not None:
            self.field.setCurrentText(look.field)
            self.universe.setValue(look.universe)
            self.colours.setCurrentText(look.colours or choice.colours)
            self.colours.setEnabled(look.field != "rgb")
