"""Rows of the View panel for contrast: levels, logarithm and gamma."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout

from viewer.controllers.controller import Controller
from viewer.model.view_settings import LevelMode, ViewSettings
from viewer.widgets.accessibility import accessible

_MODES: dict[LevelMode, tuple[str, str]] = {
    "auto": ("Automatic", "The range of the field, or the lowest and highest visible value (A)"),
    "range": ("Range", "The lowest and highest visible value (Shift+A)"),
    "percentile": ("Percentile", "Without the outermost values, however extreme (P)"),
    "symmetric": ("Symmetric", "At equal distances from zero (Shift+P)"),
    "locked": ("Locked", "The present levels, so that images can be compared (K)"),
}


class ContrastRows:
    """How values become places in the colour map.

    Attributes:
        mode: how the levels are found. percentile: share of the values beyond them, at either end.
        log: colours by the logarithm of the values. gamma: power of the places in the map.
    """

    def __init__(self, controller: Controller, mode: QComboBox) -> None:
        """
        Args:
            mode: an empty box.
        """
        self.controller, self.mode = controller, mode
        for name, (text, tip) in _MODES.items():
            mode.addItem(text, name)
            mode.setItemData(mode.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        mode.activated.connect(self._choose_mode)
        tip = "Share of the values beyond the levels, at either end"
        self.percentile = _number("Per cent of the values beyond the levels, at either end", tip, (0.0, 49.0), 0.5)
        self.percentile.setDecimals(1)
        self.percentile.setSuffix(" %")
        self.percentile.valueChanged.connect(lambda share: controller.model.change_view(percentile=share))
        self.log = accessible(QCheckBox("Lo&garithmic"), "Logarithmic colours")
        self.log.setToolTip("Colours by the logarithm of the values; 0 and below has the lowest colour (Shift+K)")
        self.log.clicked.connect(lambda _: controller.toggle_log())
        self.gamma = _number("Gamma", "Below 1 low values become lighter, above 1 darker", (0.1, 10.0), 0.1)
        self.gamma.valueChanged.connect(controller.set_gamma)

    def add_to(self, form: QFormLayout) -> None:
        """Adds the rows."""
        form.addRow("&Levels", self.mode)
        form.addRow("O&utside", self.percentile)
        form.addRow("Ga&mma", self.gamma)
        form.addRow("", self.log)
        form.setRowVisible(self.percentile, False)

    def show(self, form: QFormLayout, settings: ViewSettings, mapped: bool) -> None:
        """Shows the settings; `mapped`: the field has a colour map."""
        self.mode.setCurrentIndex(list(_MODES).index(settings.level_mode))
        self.log.setChecked(settings.log)
        with QSignalBlocker(self.percentile), QSignalBlocker(self.gamma):
            self.percentile.setValue(settings.percentile)
            self.gamma.setValue(settings.gamma)
        for row in (self.mode, self.gamma, self.log):
            form.setRowVisible(row, mapped)
        form.setRowVisible(self.percentile, settings.level_mode == "percentile" and mapped)

    def _choose_mode(self, index: int) -> None:
        controller = self.controller
        {
            "auto": controller.levels_auto,
            "range": controller.levels_range,
            "percentile": controller.levels_percentile,
            "symmetric": controller.levels_symmetric,
            "locked": controller.levels_locked,
        }[self.mode.itemData(index)]()


def _number(name: str, tip: str, ends: tuple[float, float], step: float) -> QDoubleSpinBox:
    field = accessible(QDoubleSpinBox(), name)
    field.setRange(*ends)
    field.setSingleStep(step)
    field.setToolTip(tip)
    return field
