"""Rows of the View panel for several fields at once: three as red, green and blue, or a blend of two."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox, QFormLayout, QSlider

from viewer.controllers.controller import Controller
from viewer.model.view_settings import MixKind, ViewSettings

_KINDS: tuple[tuple[str, MixKind | None], ...] = (("One field", None), ("RGB", "rgb"), ("Blend", "blend"))


class MixRows:
    """How many fields are displayed, and which ones beside the first.

    Attributes:
        kind: one field, RGB or a blend. others: the second field, and the third of RGB.
        colours: colour map of the second field of a blend. share: of the second field.
    """

    def __init__(
        self, controller: Controller, kind: QComboBox, others: tuple[QComboBox, QComboBox], colours: QComboBox
    ) -> None:
        """
        Args:
            kind, others, colours: empty boxes, but for the colour maps.
        """
        self.controller, self.kind, self.others, self.colours = controller, kind, others, colours
        for text, name in _KINDS:
            kind.addItem(text, name)
        kind.activated.connect(lambda index: controller.set_mix(_KINDS[index][1]))
        for number, other in enumerate(others):
            other.textActivated.connect(lambda name, number=number: self._choose(number, name))
        colours.activated.connect(lambda index: controller.change_mix(colours=colours.itemData(index)))
        self.share = QSlider(Qt.Orientation.Horizontal)
        self.share.setRange(0, 100)
        self.share.setAccessibleName("Share of the second field")
        self.share.setToolTip("Share of the second field in the blend")
        self.share.valueChanged.connect(lambda share: controller.change_mix(share=share / 100))

    def add_to(self, form: QFormLayout) -> None:
        """Adds the rows."""
        form.addRow("&Show", self.kind)
        form.addRow("Second", self.others[0])
        form.addRow("Third", self.others[1])
        form.addRow("Its colours", self.colours)
        form.addRow("Its share", self.share)
        for row in (*self.others, self.colours, self.share):
            form.setRowVisible(row, False)

    def offer(self, names: list[str]) -> None:
        """Offers fields."""
        for other in self.others:
            other.clear()
            other.addItems(names)

    def show(self, form: QFormLayout, settings: ViewSettings) -> None:
        """Shows the settings."""
        mix = settings.mix
        kind = None if mix is None else mix.kind
        self.kind.setCurrentIndex([name for _, name in _KINDS].index(kind))
        form.setRowVisible(self.kind, self.others[0].count() > 0)
        for number, other in enumerate(self.others):
            form.setRowVisible(other, mix is not None and number < len(mix.fields))
        for row in (self.colours, self.share):
            form.setRowVisible(row, kind == "blend")
        if mix is None:
            return
        for other, name in zip(self.others, mix.fields, strict=False):
            other.setCurrentText(name)
        with QSignalBlocker(self.share):
            self.share.setValue(round(100 * mix.share))

    def _choose(self, number: int, name: str) -> None:
        settings = self.controller.model.view_settings
        if settings is not None and settings.mix is not None:
            fields = list(settings.mix.fields)
            fields[number] = name
            self.controller.change_mix(fields=tuple(fields), levels=())
