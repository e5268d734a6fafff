"""Grid dialog: another size for the grid of the open run, and the place of its cells on it."""

from collections.abc import Callable

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QPushButton, QSpinBox, QWidget

from aetheria.core.device import AXES, times
from viewer.widgets.accessibility import accessible

_MOST = 1 << 20
_NAMES = {"depth": "&Depth", "height": "&Height", "width": "&Width"}
_FIRST = {"depth": "First &layer", "height": "First &row", "width": "First &column"}


class GridDialog(QDialog):
    """Asks for sides and place; the cells stay in the middle until a place is given."""

    def __init__(
        self, parent: QWidget, grid: tuple[int, ...], unit: int, wanted: Callable[[tuple[int, ...], tuple[int, ...]], object]
    ) -> None:
        """
        Args:
            grid: the present sides.
            unit: cells by which the law's lattice lets them move.
            wanted: called with the new sides, and the place of the old first cell.
        """
        super().__init__(parent)
        self.setWindowTitle("Resize the grid")
        self._grid, self._unit, self._placed = grid, unit, False
        axes = AXES[-len(grid) :]
        self.sides = {axis: _spin(1, 2 * side, _NAMES[axis]) for axis, side in zip(axes, grid, strict=True)}
        self.places = {axis: _spin(-_MOST, 0, _FIRST[axis], unit) for axis in axes}
        self.middle = QPushButton("In the &middle")
        self.middle.setToolTip("Keep the present cells in the middle of the new grid")
        self.words = QLabel()
        self.words.setWordWrap(True)
        form = QFormLayout(self)
        form.addRow(QLabel(f"The grid has {times(grid)} cells (height x width). Its cells stay as they are."))
        for axis in axes:
            form.addRow(_NAMES[axis], self.sides[axis])
        form.addRow(QLabel("Place of the present first cell on the new grid:"))
        for axis in axes:
            form.addRow(_FIRST[axis], self.places[axis])
        form.addRow("", self.middle)
        form.addRow(self.words)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.resize_button = buttons.addButton("&Resize", QDialogButtonBox.ButtonRole.AcceptRole)
        form.addRow(buttons)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(lambda: wanted(self.grid, self.at))
        self.middle.clicked.connect(self._centre)
        for side in self.sides.values():
            side.valueChanged.connect(self._resized)
        for place in self.places.values():
            place.valueChanged.connect(self._moved)
        self._centre()

    @property
    def grid(self) -> tuple[int, ...]:
        """The sides that are asked for."""
        return tuple(side.value() for side in self.sides.values())

    @property
    def at(self) -> tuple[int, ...]:
        """The place of the old first cell that is asked for."""
        return tuple(place.value() for place in self.places.values())

    def _resized(self) -> None:
        if not self._placed:
            self._centre()
        self._say()

    def _moved(self) -> None:
        self._placed = True
        self._say()

    def _centre(self) -> None:
        for place, old, new in zip(self.places.values(), self._grid, self.grid, strict=True):
            place.blockSignals(True)
            place.setValue((new - old) // 2 // self._unit * self._unit)
            place.blockSignals(False)
        self._placed = False
        self._say()

    def _say(self) -> None:
        inside = all(at >= 0 and at + old <= new for at, old, new in zip(self.at, self._grid, self.grid, strict=True))
        self.words.setText(
            "Strokes painted so far cannot be undone then; the same dialog takes the grid back to its size."
            if inside
            else "Parts of the present grid lie outside of the new one: that is possible where they are empty."
        )
        self.resize_button.setEnabled(self.grid != self._grid or any(self.at))


def _spin(least: int, value: int, name: str, step: int = 1) -> QSpinBox:
    box = accessible(QSpinBox(), name.replace("&", ""))
    box.setRange(least, _MOST)
    box.setSingleStep(step)
    box.setGroupSeparatorShown(True)
    box.setValue(value)
    return box
