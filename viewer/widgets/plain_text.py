"""Text of files in widgets: control characters are shown as escapes, and nothing is taken for HTML."""

import html

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from aetheria.core.printable import printable


def set_plain_text(label: QLabel, text: str) -> None:
    """Shows a text of one or more lines as it is."""
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(printable(text, keep="\n"))


def set_plain_tooltip(widget: QWidget, text: str) -> None:
    """Sets a tooltip that is shown as it is."""
    widget.setToolTip(plain_tooltip(text))


def plain_tooltip(text: str) -> str:
    """A text as a tooltip, of which Qt would take some for HTML."""
    text = printable(text, keep="\n")
    return f"<span>{html.escape(text)}</span>" if "<" in text else text
