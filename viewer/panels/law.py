"""Law panel: parameters of the law, changed while it runs."""

import math
from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from aetheria.laws.controls import Control, TextControl, Value
from viewer.controllers.controller import Controller
from viewer.controllers.parameters import ParameterController, rule_in_words, rule_problem
from viewer.panels.number import NumberInput
from viewer.panels.panel import Panel, scrolled
from viewer.sources.source import FrameSource
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import plain_tooltip, set_plain_text

_DIGITS = 4  # digits of a number at the upper end of its slider


class LawPanel(Panel):
    """A row for each control: name, field, and reset button; below them the list of edits."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.parameters = controller.parameters
        self.rows: dict[str, _ControlRow] = {}
        self.nothing = QLabel()
        self.nothing.setWordWrap(True)
        self.reset_all = QPushButton("Reset the &law")
        self.reset_all.setAccessibleName("Reset the law")
        self.reset_all.setToolTip("Restore the initial values of all parameters (Ctrl+Shift+L)")
        self.reset_all.clicked.connect(self.parameters.reset_all)
        inner = QWidget()
        self._column = QVBoxLayout(inner)
        self._column.addWidget(self.nothing)
        self._column.addWidget(self.reset_all)
        self.changes_title = QLabel("E&dits:")
        self.changes = accessible(QListWidget(), "Edits since the start, with their steps")
        self.changes.setToolTip("Recordings hold the edits, so that the run can be repeated; a reset of the run clears them")
        self.changes.setWordWrap(True)
        self.changes.setMinimumHeight(4 * self.fontMetrics().height())
        self.changes_title.setBuddy(self.changes)
        self._column.addWidget(self.changes_title)
        self._column.addWidget(self.changes, 1)
        scrolled(self, inner)
        controller.history.listeners.append(self._list_changes)
        self.parameters.listeners.append(self._tuned)
        self._tuned()

    def show_source(self, source: FrameSource | None) -> None:
        self.nothing.setText("Nothing is open." if source is None else "This law has no parameters to change while it runs.")

    def _tuned(self) -> None:
        controls = self.parameters.controls
        if [row.control for row in self.rows.values()] != list(controls):
            self._build()
        self.nothing.setVisible(not controls)
        self.reset_all.setVisible(bool(controls))
        self.reset_all.setEnabled(any(map(self.parameters.is_changed, self.rows)))
        for name, row in self.rows.items():
            row.show_value(
                self.parameters.values[name], self.parameters.problems.get(name, ""), self.parameters.is_changed(name)
            )

    def _list_changes(self) -> None:
        self.changes.clear()
        self.changes.addItems(self.controller.history.lines)
        self.changes.scrollToBottom()

    def _build(self) -> None:
        for row in self.rows.values():
            self._column.removeWidget(row)
            row.deleteLater()
        self.rows = {}
        for place, control in enumerate(self.parameters.controls):
            row = (
                _TextRow(control, self.parameters)
                if isinstance(control, TextControl)
                else _NumberRow(control, self.parameters.set)
            )
            row.reset.clicked.connect(lambda _checked=False, name=control.name: self.parameters.reset(name))
            self._column.insertWidget(place, row)
            self.rows[control.name] = row


class _ControlRow(QWidget):
    """A control with its editor.

    Attributes:
        reset: restores the initial value.
        problem: reason why the last value was refused; empty when it was accepted.
    """

    def __init__(self, control: Control | TextControl) -> None:
        super().__init__()
        self.control = control
        self.title = QLabel(f"<b>{control.name}</b>: {control.meaning}")
        self.title.setWordWrap(True)
        self.reset = QPushButton("Reset")
        self.reset.setAccessibleName(f"Reset {control.name}")
        self.reset.setToolTip("Restore the initial value")
        self.problem = accessible(QLabel(), f"Problem with {control.name}")
        self.problem.setWordWrap(True)
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, self.fontMetrics().height() // 2)
        self.grid.setColumnStretch(0, 1)
        self.grid.addWidget(self.title, 0, 0)
        self.grid.addWidget(self.reset, 0, 1)
        self.grid.addWidget(self.problem, 4, 0, 1, 2)

    def show_value(self, value: Value, problem: str, model_changed: bool) -> None:
        """Shows the present value, or the reason of a refusal."""
        self.reset.setEnabled(model_changed or bool(problem))
        self.problem.setText(f"⚠ Refused: {problem}" if problem else "")
        self.problem.setVisible(bool(problem))
        if not problem:
            self.show_present(value)

    def show_present(self, value: Value) -> None:
        """Shows the present value."""
        raise NotImplementedError


class _NumberRow(_ControlRow):
    def __init__(self, control: Control, choose: Callable[[str, Value], object]) -> None:
        super().__init__(control)
        decimals = max(0, _DIGITS - math.floor(math.log10(control.high)))
        # The field accepts any number; the law checks its range.
        self.number = NumberInput(control.name, control.low, control.high, decimals=decimals, least=-1e6, most=1e6)
        self.number.setToolTip(control.meaning)
        self.number.chosen.connect(lambda value: choose(control.name, value))
        self.title.setBuddy(self.number)
        self.grid.addWidget(self.number, 1, 0, 1, 2)

    def show_present(self, value: Value) -> None:
        if not self.number.slider.isSliderDown():
            self.number.show_value(float(value))


class _TextField(QLineEdit):
    """A text field whose Esc restores what it showed."""

    def __init__(self, restore: Callable[[], object]) -> None:
        super().__init__()
        self._restore = restore

    def event(self, event: QEvent) -> bool:
        """Esc belongs to the field while its text is another one than that which runs."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and (self.isModified() or self.styleSheet()):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._restore()
                return True
        return super().event(event)


class _TextRow(_ControlRow):
    """A text, with a list of well-known values if there is one; what is no rule is marked while it is typed."""

    def __init__(self, control: TextControl, parameters: ParameterController) -> None:
        super().__init__(control)
        self.choose, self.give_up = parameters.set, parameters.forget_problem
        self.text = accessible(_TextField(self._restore), control.name)
        self.text.setToolTip(f"{control.meaning}. Enter runs it, Esc restores the running one")
        self.text.textEdited.connect(self._edited)
        self.text.returnPressed.connect(lambda: self._choose(self.text.text().strip()))
        self.title.setBuddy(self.text)
        self.grid.addWidget(self.text, 1, 0, 1, 2)
        self.known = accessible(QComboBox(), f"Well-known values of {control.name}")
        accessible(self.known.view(), f"Well-known values of {control.name}, as a list")
        self.known.setToolTip(f"Well-known values of {control.name}")
        for name, value in parameters.known.get(control.name, {}).items():
            self.known.addItem(name, value)
            self.known.setItemData(self.known.count() - 1, plain_tooltip(rule_in_words(value)), Qt.ItemDataRole.ToolTipRole)
        self.known.setPlaceholderText(f"Another {control.name}")
        self.known.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.known.setMinimumContentsLength(8)
        self.known.activated.connect(lambda _: self._choose(self.known.currentData()))
        self.reset.clicked.connect(lambda: self.text.setModified(False))
        self.explained = accessible(QLabel(), f"Family of the {control.name}")
        self.explained.setWordWrap(True)
        self.grid.addWidget(self.explained, 2, 0, 1, 2)
        self.explained.setVisible(control.name == "rule")
        self.grid.addWidget(self.known, 3, 0, 1, 2)
        self.known.setVisible(self.known.count() > 0)

    def _choose(self, text: str) -> None:
        self.text.setModified(False)
        self.choose(self.control.name, text)

    def _edited(self, text: str) -> None:
        self._mark(rule_problem(text) if self.control.name == "rule" else "")
        self._explain(text)

    def _explain(self, text: str) -> None:
        if self.control.name == "rule":
            set_plain_text(self.explained, rule_in_words(text))

    def _restore(self) -> None:
        self.text.setModified(False)
        self._mark("")
        self.give_up(self.control.name)

    def _mark(self, problem: str) -> None:
        """Shows what is wrong with the text, in words and by a frame."""
        self.text.setStyleSheet("QLineEdit { border: 2px solid #d03030; }" if problem else "")
        self.problem.setText(f"⚠ Not a rule: {problem}" if problem else "")
        self.problem.setVisible(bool(problem))

    def show_value(self, value: Value, problem: str, model_changed: bool) -> None:
        editing = self.text.isModified() and not problem
        said = self.problem.text()
        super().show_value(value, problem, model_changed)
        if editing and said:  # of what is being typed
            self.problem.setText(said)
            self.problem.setVisible(True)
        elif not editing:
            self.text.setStyleSheet("QLineEdit { border: 2px solid #d03030; }" if problem else "")

    def show_present(self, value: Value) -> None:
        if not self.text.isModified():  # otherwise the user is editing it
            self.text.setText(str(value))
            self._explain(str(value))
        self.known.setCurrentIndex(self.known.findData(value))
