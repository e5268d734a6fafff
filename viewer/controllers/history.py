"""History: the edits since the start of a run, as text. No Qt."""

import time
from collections.abc import Callable

from aetheria.motor.edit_text import edit_lines
from viewer.controllers.component import Component, ComponentHost
from viewer.sources.elsewhere import EditedElsewhere
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource

_APART_S = 0.5  # seconds between two updates


class History(Component):
    """Lists the edits, the oldest first; consecutive edits of one kind share a line.

    Attributes:
        lines: text of the list.
        listeners: called when they changed.
    """

    def __init__(self, controller: ComponentHost, busy: Callable[[], bool]) -> None:
        """
        Args:
            busy: whether an edit is in progress.
        """
        super().__init__(controller)
        self.busy = busy
        self._stale, self._due = False, 0.0
        self._made = -1  # edits of a served run when its list was asked for
        self.lines: tuple[str, ...] = ()
        self.listeners: list[Callable[[], None]] = []

    def mark_stale(self) -> None:
        """Updates the list soon: an edit was made."""
        self._stale = True

    def tick(self) -> None:
        source, now = self.controller.source, time.monotonic()
        elsewhere: object = source
        if isinstance(elsewhere, EditedElsewhere):
            self._tick_elsewhere(elsewhere, now)
        # Not during a stroke: reading the edits takes the motor's lock for up to a step.
        if self._stale and now >= self._due and not self.busy() and isinstance(source, LiveSource):
            self._stale, self._due = False, now + _APART_S
            source.submit_with_motor(lambda motor: edit_lines(motor.edits), self._set_lines, name="changes")

    def _tick_elsewhere(self, source: EditedElsewhere, now: float) -> None:
        if source.edits_made != self._made and now >= self._due:
            self._made, self._due = source.edits_made, now + _APART_S
            source.ask_for_edits()
        self._set_lines(source.edit_lines)

    def opened(self, source: FrameSource) -> None:
        self._stale, self._made = True, -1

    def closed(self) -> None:
        self._stale = False
        self._set_lines(())

    def restarted(self) -> None:
        self._stale = True

    def _set_lines(self, lines: tuple[str, ...]) -> None:
        if lines != self.lines:
            self.lines = lines
            for listener in list(self.listeners):
                listener()
