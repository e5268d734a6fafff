"""Handling of SIGINT and SIGTERM during a run: the first ends it in order, the second at once."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(KeyboardInterrupt):  # not an AetheriaError: code that handles errors must not swallow it
    """A signal that ends the run at once.

    Attributes:
        exit_code: 130 for SIGINT, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class SignalHandler:
    """Handles SIGINT and SIGTERM inside a `with` block of the main thread; in other threads it does nothing.

    Attributes:
        received: the signals so far.
        ignored: number of signals that are only noted in `received`. The next one raises `Interrupted` in the main thread;
            later ones are noted only.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.ignored = 0.0
        self._previous: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """Exit code of the interrupted run; 130 where the signal was sent to another process of the run."""
        return 128 + (self.received or [signal.SIGINT])[0]

    def check(self) -> None:
        """Raises Interrupted if a signal came: a compiler may have caught the exception that the handler raised."""
        if self.received:
            raise Interrupted(self.received[0])

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)
        if len(self.received) == self.ignored + 1:
            raise Interrupted(number)
