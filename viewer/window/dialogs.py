"""Small non-modal dialogs: step numbers, shortcuts, help."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog, QWidget

from aetheria.motor.successor import lattice_unit
from viewer.controllers.controller import Controller
from viewer.dialogs.grid_dialog import GridDialog
from viewer.dialogs.help_pages import HelpPage, ShortcutsPage
from viewer.sources.live import LiveSource
from viewer.widgets.preferences import Preferences
from viewer.window.layout import DockLayout

_MOST = 2**31 - 1  # largest number in a QInputDialog


class Dialogs:
    """The dialogs of one window."""

    def __init__(self, window: QWidget, controller: Controller, layout: DockLayout, preferences: Preferences) -> None:
        self.window = window
        self.controller = controller
        self.layout = layout
        self.preferences = preferences
        self._shortcuts: ShortcutsPage | None = None
        self._help: HelpPage | None = None

    def step_many(self) -> None:
        """Asks for a number of steps to take."""
        self._ask("N steps", "Number of steps:", "steps", 100, lambda n: self.controller.go_to(self._step() + n))

    def go_to(self) -> None:
        """Asks for a step to go to."""
        label = f"Step to go to (present step {self._step():,}):"
        self._ask("Go to step", label, "go_to", 0, self.controller.go_to)

    def resize_grid(self) -> None:
        """Asks for another size of the grid."""
        source = self.controller.source
        if isinstance(source, LiveSource):
            law = source.motor.traits
            unit = lattice_unit(law)
            GridDialog(self.window, source.motor.shape[2:], unit, self.controller.successors.resize).open()

    def show_shortcuts(self) -> None:
        """Opens the shortcuts page."""
        if self._shortcuts is None:
            self._shortcuts = ShortcutsPage(self.window, self.layout.lines())
            self._shortcuts.finished.connect(self._shortcuts_closed)
        _bring(self._shortcuts)

    def show_help(self) -> None:
        """Opens the help page."""
        if self._help is None:
            self._help = HelpPage(self.window)
            self._help.finished.connect(self._help_closed)
        _bring(self._help)

    def _step(self) -> int:
        source = self.controller.source
        return source.status().step if source is not None else 0

    def _ask(self, title: str, label: str, name: str, default: int, then: Callable[[int], object]) -> None:
        dialog = QInputDialog(self.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(title)
        dialog.setLabelText(label)
        dialog.setInputMode(QInputDialog.InputMode.IntInput)
        dialog.setIntRange(0, _MOST)
        dialog.setIntValue(self.preferences.number(name, default))

        def given(number: int) -> None:
            self.preferences.set_number(name, number)
            then(number)

        dialog.intValueSelected.connect(given)
        dialog.open()

    def _shortcuts_closed(self) -> None:
        self._shortcuts = None

    def _help_closed(self) -> None:
        self._help = None


def _bring(page: QWidget) -> None:
    page.show()
    page.raise_()
    page.activateWindow()
