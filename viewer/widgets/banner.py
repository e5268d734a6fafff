"""Banner over the canvas, for warnings, errors and progress."""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from viewer.model.messages import Message, MessageStack

_WORDS = {"note": "Note", "warning": "Warning", "error": "Error"}


class Banner(QFrame):
    """Lies along the top edge of its parent while there is a message; the text can be selected and copied.

    Signals:
        cancelled: the user cancels what is in progress.
    """

    cancelled = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAccessibleName("Message")
        self.setAutoFillBackground(True)
        self.messages = MessageStack()
        self._waiting_for = ""
        self.kind, self.text, self.count = QLabel(), QLabel(), QLabel()
        self.kind.setObjectName("kind")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self.button = QPushButton()
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self.dismiss)
        self._over = parent
        row = QHBoxLayout(self)
        for widget in (self.kind, self.text, self.count, self.button):
            row.addWidget(widget, 1 if widget is self.text else 0, Qt.AlignmentFlag.AlignVCenter)
        parent.installEventFilter(self)
        self.hide()

    def tell(self, message: Message) -> None:
        """Shows a warning or an error until the user dismisses it."""
        self.messages.push(message)
        self._refresh()

    def wait_for(self, what: str) -> None:
        """Shows an activity in progress and clears older messages; an empty text ends it."""
        self._waiting_for = what
        if what:
            self.messages.clear()
        self._refresh()

    def dismiss(self) -> None:
        """Dismisses the message on top, or cancels the activity in progress."""
        if self.messages.top is not None:
            self.messages.dismiss()
        elif self._waiting_for:
            self.cancelled.emit()
        self._refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _refresh(self) -> None:
        top = self.messages.top or (Message("note", self._waiting_for) if self._waiting_for else None)
        if top is None:
            self.hide()
            return
        model_changed = top.text != self.text.text() or not self.isVisible()
        self.kind.setText(_WORDS[top.kind])
        self.text.setText(top.text)
        self.text.setAccessibleName(f"{_WORDS[top.kind]}: {top.text}")
        self.count.setText(f"1 of {len(self.messages)}" if len(self.messages) > 1 else "")
        self.button.setText("Cancel" if top.kind == "note" else "Dismiss")
        self.button.setToolTip(f"{self.button.text()} (Esc)")
        self.setProperty("kind", top.kind)
        for widget in (self, self.kind, self.text, self.count):
            self.style().polish(widget)  # colours depend on the kind
        self._place()
        self.show()
        self.raise_()
        if model_changed:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, self.text.accessibleName()))

    def _place(self) -> None:
        width = self._over.width()
        self.setGeometry(0, 0, width, min(self.heightForWidth(width), self._over.height()))
