"""Notices: log warnings, Python warnings and uncaught errors, shown as messages. No Qt.

The hooks of the process are installed for the first listener and removed with the last.
"""

import logging
import queue
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aetheria
from viewer.controllers.component import Component, ComponentHost
from viewer.model.messages import Message, Severity, error_text

_OURS = str(Path(aetheria.__file__).parent)


class Notices(Component):
    """Shows warnings and uncaught errors to the user, until `stop` is called.

    Warnings and log records come from any thread and wait for the next tick; uncaught errors of the thread that made this
    object are shown at once.
    """

    def __init__(self, controller: ComponentHost, interrupted: Callable[[], object]) -> None:
        """
        Args:
            controller: its view shows the messages.
            interrupted: called when the user presses Ctrl-C in the terminal.
        """
        super().__init__(controller)
        self._interrupted = interrupted
        self._thread = threading.get_ident()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        _HOOKS.register(self)

    def stop(self) -> None:
        """Removes the hooks of this listener."""
        _HOOKS.unregister(self)

    def warned(self, text: str, severity: Severity = "warning") -> None:
        """Queues a warning; safe to call from any thread."""
        self._messages.put(Message(severity, text))

    def uncaught(self, error: BaseException) -> bool:
        """Shows an uncaught error; returns whether it is handled."""
        if threading.get_ident() != self._thread:
            return False  # of other code around the window
        if isinstance(error, KeyboardInterrupt):
            self._interrupted()
            return True
        if isinstance(error, Exception):
            self.controller.view.show_message(Message("error", f"Unexpected error. {error_text(error)}"))
        return False

    def tick(self) -> None:
        while not self._messages.empty():
            self.controller.view.show_message(self._messages.get())


class _Hooks(logging.Handler):
    """The hooks of the process, with their listeners."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.listeners: list[Notices] = []
        self._before: tuple[Any, Any] = (None, None)
        self._mine: tuple[Any, Any] = (self._warned, self._uncaught)

    def register(self, listener: Notices) -> None:
        if not self.listeners:
            self._before = (warnings.showwarning, sys.excepthook)
            warnings.showwarning, sys.excepthook = self._mine
            logging.getLogger("aetheria").addHandler(self)
            # Last in the list: shown every time, unless the user's own filters say otherwise.
            warnings.filterwarnings("always", category=RuntimeWarning, module=r"aetheria\.", append=True)
        self.listeners.append(listener)

    def unregister(self, listener: Notices) -> None:
        if listener not in self.listeners:
            return
        self.listeners.remove(listener)
        if not self.listeners:
            logging.getLogger("aetheria").removeHandler(self)
            # Another hook may have been put over ours; then ours stays, and only passes calls on.
            if warnings.showwarning is self._mine[0]:
                warnings.showwarning = self._before[0]
            if sys.excepthook is self._mine[1]:
                sys.excepthook = self._before[1]

    def emit(self, record: logging.LogRecord) -> None:
        for listener in list(self.listeners):
            listener.warned(record.getMessage(), getattr(record, "severity", "warning"))

    def _warned(self, message: Warning | str, category: type[Warning], filename: str, *rest: Any) -> None:
        self._before[0](message, category, filename, *rest)
        if issubclass(category, RuntimeWarning) and filename.startswith(_OURS):
            for listener in list(self.listeners):
                listener.warned(str(message))

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        said = [listener.uncaught(error) for listener in list(self.listeners)]
        if not any(said):
            self._before[1](kind, error, trace)


_HOOKS = _Hooks()
