"""Queued strokes, undo and redo, carried out in the worker thread of a live source. No Qt."""

from collections import deque
from collections.abc import Callable
from typing import Literal

from viewer.controllers.brushes import Dab
from viewer.controllers.strokes import Painter, Stroke

# Dabs of a stroke, undo and redo, or any other job for the painter.
Command = tuple[Stroke, list[Dab]] | Literal["undo", "redo"] | Callable[[Painter], object]


def run_commands(commands: deque[Command], painter: Painter, refresh: Callable[[], None]) -> str:
    """Carries out the queued commands in the worker; returns "undo" or "redo" where no stroke was left for it.

    Args:
        refresh: shows the cells painted so far.
    """
    missing = ""
    error: Exception | None = None
    while commands:
        command = commands.popleft()
        with painter.cells.turn:  # once for several commands: waiting for it may take a step
            try:
                if isinstance(command, str):
                    missing = "" if (painter.undo() if command == "undo" else painter.redo()) else command
                elif callable(command):
                    command(painter)
                else:
                    stroke, dabs = command
                    painter.paint(stroke, [*dabs, *_queued_dabs(commands, stroke)])
            except Exception as failure:  # noqa: BLE001 - raised after the other commands, which may be elsewhere on the grid
                error = error or failure
            refresh()
    if error is not None:
        raise error
    return missing


def _queued_dabs(commands: deque[Command], stroke: Stroke) -> list[Dab]:
    """Removes further dabs of the same stroke from the queue: painting them together reads the cells once."""
    dabs: list[Dab] = []
    while commands and isinstance(commands[0], tuple) and commands[0][0] is stroke:
        command = commands.popleft()
        assert isinstance(command, tuple)
        dabs += command[1]
    return dabs
