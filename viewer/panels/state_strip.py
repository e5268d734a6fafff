"""State strip: a button in its colour for each state that can be drawn, or a number where there are too many."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QToolButton, QWidget

from aetheria.laws.base import Colour
from viewer.panels.number import NumberInput
from viewer.widgets.accessibility import accessible

_MOST = 32  # buttons
_COLUMNS = 8


class StateStrip(QWidget):
    """Chooses the whole state that is drawn."""

    def __init__(self, choose: Callable[[int], object]) -> None:
        """
        Args:
            choose: called with the state that the user chose.
        """
        super().__init__()
        self.setAccessibleName("State to draw")
        self.buttons: list[QToolButton] = []
        self.number: NumberInput | None = None
        self._choose = choose
        self._group = QButtonGroup(self)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(1)
        self._grid.setColumnStretch(_COLUMNS, 1)

    def show_states(self, states: int, palette: Sequence[Colour] | None) -> None:
        """Offers the states of a law, each in its colour; none where there are only two."""
        for widget in (*self.buttons, *([self.number] if self.number is not None else [])):
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self.buttons, self.number = [], None
        if 2 < states <= _MOST:
            self._add_buttons(states, palette)
        elif states > _MOST:
            self.number = NumberInput("State to draw", 0, states - 1)
            self.number.chosen.connect(lambda state: self._choose(int(state)))
            self._grid.addWidget(self.number, 0, 0, 1, _COLUMNS + 1)

    def show_state(self, state: int) -> None:
        """Marks the chosen state."""
        if state < len(self.buttons):
            self.buttons[state].setChecked(True)
        if self.number is not None:
            self.number.show_value(state)

    def _add_buttons(self, states: int, palette: Sequence[Colour] | None) -> None:
        side = self.fontMetrics().height()
        for state in range(states):
            button = accessible(QToolButton(), f"State {state}")
            button.setToolTip(f"Draw state {state}" if state else "Draw state 0, the empty cell")
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            if palette is not None:
                pixmap = QPixmap(side, side)
                pixmap.fill(QColor(*palette[state]))
                button.setIcon(QIcon(pixmap))
                button.setIconSize(QSize(side, side))
            else:
                button.setText(str(state))
            button.clicked.connect(lambda _checked=False, state=state: self._choose(state))
            self._group.addButton(button)
            self._grid.addWidget(button, state // _COLUMNS, state % _COLUMNS)
            self.buttons.append(button)
