"""What the program says beside the controller: log warnings, Python warnings and uncaught errors become messages. No Qt.

Hooks of the whole process, put in place for the first listener and taken away with the last.
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
from viewer.model.messages import Message, explain

_OURS = str(Path(aetheria.__file__).parent)


class Notices(Component):
    """Tells the user what would otherwise only be written to a terminal, until `stop` is called.

    Warnings and log records come from any thread and wait for the next tick; an uncaught error of the thread that made this
    is told at once.
    """

    def __init__(self, controller: ComponentHost, interrupted: Callable[[], object]) -> None:
        """
        Args:
            controller: whose view tells.
            interrupted: called when the user presses Ctrl-C in the terminal.
        """
        super().__init__(controller)
        self._interrupted = interrupted
        self._thread = threading.get_ident()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        _HOOKS.register(self)

    def stop(self) -> None:
        """Listens no longer."""
        _HOOKS.unregister(self)

    def warned(self, text: str) -> None:
        """Something was warned of, in any thread."""
        self._messages.put(Message("warning", text))

    def uncaught(self, error: BaseException) -> bool:
        """Nobody caught this; whether that is all there is to say about it."""
        if threading.get_ident() != self._thread:
            return False  # of somebody else's code, around the window
        if isinstance(error, KeyboardInterrupt):
            self._interrupted()
            return True
        if isinstance(error, Exception):
            self.controller.view.show_message(Message("error", f"Something unforeseen went wrong. {explain(error)}"))
        return False

    def tick(self) -> None:
        while not self._messages.empty():
            self.controller.view.show_message(self._messages.get())


class _Hooks(logging.Handler):
    """The process's own hooks, which know their listeners and nothing of windows."""

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
            # Last in the list: told every time, unless the user's own filters say otherwise.
            warnings.filterwarnings("always", category=RuntimeWarning, module=r"aetheria\.", append=True)
        self.listeners.append(listener)

    def unregister(self, listener: Notices) -> None:
        if listener not in self.listeners:
            return
        self.listeners.remove(listener)
        if not self.listeners:
            logging.getLogger("aetheria").removeHandler(self)
            # Somebody may have put a hook of theirs over ours; then ours stays, and only passes on.
            if warnings.showwarning is self._mine[0]:
                warnings.showwarning = self._before[0]
            if sys.excepthook is self._mine[1]:
                sys.excepthook = self._before[1]

    def emit(self, record: logging.LogRecord) -> None:
        for listener in list(self.listeners):
            listener.warned(record.getMessage())

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
