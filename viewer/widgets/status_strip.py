"""Status bar: figures of fixed width, and notes at the right."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStatusBar, QWidget

from aetheria.core.printable import printable
from viewer.model.status import Status
from viewer.model.wording import bytes_in_words, compact, playing_in_words
from viewer.widgets.accessibility import accessible
from viewer.widgets.plain_text import set_plain_tooltip


@dataclass(frozen=True)
class StatusItem:
    """A figure in the status bar.

    Attributes:
        name: accessible name.
        text: makes the text from a status; empty for nothing.
        sample: text of the usual width.
        worth: items of the least worth are hidden first when there is no room.
        tip: explanation for the tooltip.
        reason: makes a more specific tooltip, if not empty.
    """

    name: str
    text: Callable[[Status], str]
    sample: str
    worth: int
    tip: str
    reason: Callable[[Status], str] | None = None


def _frames(status: Status) -> str:
    dropped = f", {compact(status.dropped)} dropped" if status.dropped else ""
    return f"{status.frames_per_s:.0f} frames/s{dropped}"


ITEMS = (
    StatusItem("State", playing_in_words, "playing", 12, "Whether steps are being taken"),
    # Of a recording the bar under the cells tells the step, and the two would differ for a moment.
    StatusItem("Step", lambda s: f"step {s.step:,}" if s.frames is None else "", "step 999,999", 9, "Steps since the start"),
    StatusItem("Speed", lambda s: compact(s.steps_per_s, "steps/s"), "999 ksteps/s", 8, "Steps taken in the last second"),
    StatusItem(
        "Cells",
        lambda s: compact(s.cells_per_s, "cells/s") if s.cells_per_s else "",
        "999 Mcells/s",
        6,
        "Cells stepped in the last second",
    ),
    StatusItem(
        "Frames",
        _frames,
        "60 frames/s, 999 k dropped",
        4,
        "Frames shown in the last second; frames due while the one before still waited were not computed",
    ),
    StatusItem(
        "Device and plan",
        lambda s: " \N{MIDDLE DOT} ".join(filter(None, (s.device, s.plan))),
        "cuda:0 \N{MIDDLE DOT} compiled",
        5,
        "Device, and plan: the method by which the law is stepped",
        lambda s: s.plan_reason,
    ),
    StatusItem(
        "Memory",
        lambda s: "" if s.memory_mb is None else bytes_in_words(s.memory_mb * 2**20),
        "9.99 GiB",
        2,
        "Memory in use on the GPU, or by this program on the CPU",
    ),
    StatusItem(
        "Moved",
        lambda s: "" if s.frames is not None else f"{bytes_in_words(s.bytes_per_s)}/s transferred",
        "1023 KiB/s transferred",
        1,
        "Bytes transferred off the device in the last second, for frames, plots and recordings",
    ),
    StatusItem(
        "Edge",
        lambda s: "" if s.edge_step is None else f"edge reached by step {s.edge_step:,}",
        "",
        7,
        "Live cells have reached the edge of the grid: on a larger one (Edit, Resize the grid) other cells follow from then on",
    ),
    StatusItem("Recording", lambda s: s.recording, "", 11, "Recordings and films in progress"),
)
_MESSAGE_SHARE = 0.45  # largest share of the bar's width for a note


class StatusStrip(QWidget):
    """Shows a status and the notes of a status bar, which it fills."""

    def __init__(self, bar: QStatusBar) -> None:
        super().__init__()
        self.setAccessibleName("Status")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        font = self.font()
        font.setFeature(QFont.Tag("tnum"), 1)  # digits of equal width, where the font has them
        self.setFont(font)
        self.labels: dict[str, QLabel] = {}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._spacing = 2 * self.fontMetrics().averageCharWidth()
        layout.setSpacing(self._spacing)
        for item in ITEMS:
            self.labels[item.name] = accessible(QLabel(), item.name)
            layout.addWidget(self.labels[item.name])
        layout.addStretch(1)
        self.note = accessible(QLabel(), "Note")
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        layout.addWidget(self.note)
        self._note = ""
        bar.addPermanentWidget(self, 1)
        bar.messageChanged.connect(self._show_note)
        self.clear()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Any width: items without room are hidden."""
        return QSize(0, super().minimumSizeHint().height())

    def show_status(self, status: Status) -> None:
        """Shows the figures of a status."""
        letters = self.fontMetrics()
        for item in ITEMS:
            label, text = self.labels[item.name], item.text(status)
            label.setText(text)
            label.setToolTip((item.reason and item.reason(status)) or item.tip)
            widest = max(letters.horizontalAdvance(text), letters.horizontalAdvance(item.sample)) if text else 0
            label.setMinimumWidth(max(label.minimumWidth(), widest) if text else 0)
        self._fit()

    def clear(self) -> None:
        """Clears the figures."""
        for label in self.labels.values():
            label.clear()
            label.setMinimumWidth(0)
        self._fit()

    def _show_note(self, text: str) -> None:
        self._note = printable(text)
        set_plain_tooltip(self.note, text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Hides the items of the least worth until the rest has room."""
        letters, spacing = self.fontMetrics(), self._spacing
        wanted = letters.horizontalAdvance(self._note) + spacing if self._note else 0
        room = self.width() - min(wanted, int(_MESSAGE_SHARE * self.width()))
        shown = [item for item in ITEMS if self.labels[item.name].text()]
        needed = {item.name: self.labels[item.name].minimumWidth() + spacing for item in shown}
        while len(shown) > 1 and sum(needed[item.name] for item in shown) > room:
            shown.remove(min(shown, key=lambda item: item.worth))
        for item in ITEMS:
            self.labels[item.name].setVisible(item in shown)
        left = self.width() - sum(needed[item.name] for item in shown)
        self.note.setText(letters.elidedText(self._note, Qt.TextElideMode.ElideRight, max(0, left - spacing)))
