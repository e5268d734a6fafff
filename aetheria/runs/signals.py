"""SIGINT and SIGTERM while a run goes: the first is noted, and the run ends in order; the second makes it end at once."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(KeyboardInterrupt):  # no AetheriaError: nothing that catches errors may take it for one
    """A signal that would not wait.

    Attributes:
        exit_code: 130 for SIGINT, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupts:
    """Takes SIGINT and SIGTERM inside a `with` block in the main thread; elsewhere no signal comes, and it does nothing.

    Attributes:
        received: the signals so far.
        patience: how many are only noted; the next one raises `Interrupted` where the main thread is, those after it do not.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.patience = 0.0
        self._previous: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """What a run ends with that was interrupted so; 130 where the signal came to another of its processes."""
        return 128 + (self.received or [signal.SIGINT])[0]

    def check(self) -> None:
        """Raises Interrupted when a signal came that was lost: a compiler may have caught what was raised in it."""
        if self.received:
            raise Interrupted(self.received[0])

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)
        if len(self.received) == self.patience + 1:
            raise Interrupted(number)
