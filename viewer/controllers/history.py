"""History: the edits since the start of a run, as text. No Qt."""

import time
from collections.abc import Callable, Iterable
from itertools import groupby

from aetheria.motor.edits import CellsEdit, ControlEdit, Edit, RestartEdit, StateEdit
from viewer.controllers.component import Component, ComponentHost
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource

MOST = 200  # lines listed, the newest
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
        self.lines: tuple[str, ...] = ()
        self.listeners: list[Callable[[], None]] = []

    def mark_stale(self) -> None:
        """Updates the list soon: an edit was made."""
        self._stale = True

    def tick(self) -> None:
        source, now = self.controller.source, time.monotonic()
        # Not during a stroke: reading the edits takes the motor's lock for up to a step.
        if self._stale and now >= self._due and not self.busy() and isinstance(source, LiveSource):
            self._stale, self._due = False, now + _APART_S
            source.submit_with_motor(lambda motor: edit_lines(motor.edits), self._set_lines, name="changes")

    def opened(self, source: FrameSource) -> None:
        self._stale = True

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


def edit_lines(edits: Iterable[Edit]) -> tuple[str, ...]:
    """The newest `MOST` lines of text.

    >>> edit_lines([ControlEdit(3, "m", 0.2), ControlEdit(9, "m", 0.15), RestartEdit(7)])
    ('steps 3 to 9: m = 0.15 (2 changes)', 'step 0: seed 7')
    """
    lines = []
    for _, run in groupby(edits, key=lambda edit: (type(edit), edit.name if isinstance(edit, ControlEdit) else "")):
        group = list(run)
        first, last = group[0].step, group[-1].step
        when = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
        times = f" ({len(group)} changes)" if len(group) > 1 else ""
        lines.append(f"{when}: {_what(group[-1])}{times}")
    return tuple(lines[-MOST:])


def _what(edit: Edit) -> str:
    match edit:
        case CellsEdit():
            sides = edit.values.shape[-len(edit.at) :]
            middle = ", ".join(str(first + side // 2) for first, side in zip(edit.at, sides, strict=True))
            return f"cells near ({middle})"
        case ControlEdit():
            return f"{edit.name} = {edit.value}"
        case RestartEdit():
            return f"seed {edit.seed}"
        case StateEdit():
            return f"a state of step {edit.to_step:,}"
