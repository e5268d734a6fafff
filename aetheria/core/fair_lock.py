"""First-come, first-served reentrant lock.

The stepping thread releases it between chunks and acquires it again at once; with an ordinary lock it would win every time,
and a viewer that reads the cells would starve.
"""

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """A lock that serves threads in the order of their arrival; the holder may enter again."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._guard:
            if self._holder == me:
                self._depth += 1
                return
            if self._holder is None and not self._waiting:
                self._holder, self._depth = me, 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # Ctrl-C: the next thread must not wait for this one
            with self._guard:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._pass_on()
            raise
        with self._guard:
            self._holder, self._depth = me, 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._guard:
            self._depth -= 1
            if self._depth == 0:
                self._pass_on()

    def _pass_on(self) -> None:
        # A number that no thread has: no other thread may enter before the next one in line wakes up.
        self._holder = -1 if self._waiting else None
        if self._waiting:
            self._waiting.popleft().set()
