"""Plots whose every widget belongs to a window."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtWidgets import QWidget


class Plot(pg.PlotItem):  # type: ignore[misc]  # pyqtgraph has no types
    """A plot that leaves no widget behind.

    pyqtgraph makes a menu for every plot, without a parent, and a form, which it drops at once. PySide has a widget that Python
    drops destroyed in the thread that first imported PySide, whatever thread it lived in: beside the windows of `show`, which
    live in another, Qt crashes.
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
        """What is made for this plot is destroyed with a widget."""
        self.ctrlMenu.setParent(owner, self.ctrlMenu.windowFlags())
        self._form.setParent(self.ctrlMenu)
        self.stateGroup.setParent(self.ctrlMenu)

    def destroy_soon(self) -> None:
        """To be called when it is no longer in a scene."""
        self.ctrlMenu.deleteLater()
        self.deleteLater()


class PlotWidget(pg.PlotWidget):  # type: ignore[misc]
    """A widget with one `Plot`."""

    def __init__(self, **options: Any) -> None:
        plot = Plot(**options)
        super().__init__(plotItem=plot)
        plot.belong_to(self)
