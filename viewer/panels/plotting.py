"""Plots without widgets outside the window, and an axis with short numbers."""

import math
from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QWidget

from viewer.model.wording import compact

CURVES = {  # distinguishable for most eyes, on their background; the plots are labelled as well
    "dark": ("#e69f00", "#56b4e9", "#2fbf8f", "#f0e442", "#e0784a", "#d490b5", "#b9bec7"),
    "light": ("#a86f00", "#1f6fa8", "#00795a", "#7a6f00", "#b44a00", "#9c4a7c", "#4c5159"),
}


class Plot(pg.PlotItem):  # type: ignore[misc]  # pyqtgraph has no types
    """A plot whose widgets all belong to the window.

    pyqtgraph makes a menu without a parent for every plot, and a form, which it drops at once. PySide destroys a widget that
    Python drops in the thread that first imported PySide, whatever thread it lived in: with the windows of `show`, which live
    in another thread, Qt crashes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(enableMenu=False, **options)

    @property
    def ctrl(self) -> Any:
        """The controls of its menu, which is never shown; pyqtgraph reads its options from them."""
        return self._controls

    @ctrl.setter
    def ctrl(self, controls: Any) -> None:
        def set_up(form: QWidget) -> None:
            self._form = form
            type(controls).setupUi(controls, form)

        controls.setupUi = set_up
        self._controls = controls

    def belong_to(self, owner: QWidget) -> None:
        """Destroys the widgets of this plot together with `owner`."""
        self.ctrlMenu.setParent(owner, self.ctrlMenu.windowFlags())
        self._form.setParent(self.ctrlMenu)
        self.stateGroup.setParent(self.ctrlMenu)

    def destroy_soon(self) -> None:
        """Destroys the plot; call it after removal from the scene."""
        self.ctrlMenu.deleteLater()
        self.deleteLater()


class PlotWidget(pg.PlotWidget):  # type: ignore[misc]
    """A widget with one `Plot`."""

    def __init__(self, **options: Any) -> None:
        plot = Plot(**options)
        super().__init__(plotItem=plot)
        plot.belong_to(self)


class CompactAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis with short numbers."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.enableAutoSIPrefix(False)

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802 - pyqtgraph's name
        if self.logMode or all(1e-3 <= abs(value) < 10_000 or value == 0 for value in values):
            strings: list[str] = super().tickStrings(values, scale, spacing)
            return strings
        return [compact(value * scale) for value in values]

    def logTickValues(self, minVal: float, maxVal: float, size: float, stdTicks: Any) -> list[Any]:  # noqa: N802, N803 - pyqtgraph's
        """Powers of ten, with 2 and 5 times them where there is room for their numbers; the other marks have none."""
        letters = QFontMetricsF(self.font())
        room = 1.5 * letters.height() if self.orientation == "left" else letters.horizontalAdvance("0.00002")
        most = max(2, int(size / room))
        marks = [[(k, decade + math.log10(k)) for k in range(1, 10)] for decade in range(math.floor(minVal), math.ceil(maxVal))]
        inside = [(k, at) for decade in marks for k, at in decade if minVal <= at <= maxVal]
        numbered = [at for k, at in inside if k in (1, 2, 5)]
        if len(numbered) > most:
            powers = [at for k, at in inside if k == 1]
            numbered = powers[:: max(1, math.ceil(len(powers) / most))]
        return [(None, numbered), (None, [at for _, at in inside if at not in numbered])]
