"""Admission of connections and messages: the time of the server's thread that each kind of work is charged to."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aetheria.serve.budget import Budget

_SHARE = 0.5  # of the budget, that connections and messages may take of it
_SAVED_S = 10.0  # seconds whose share they may take at once, as when many readers come at the same time
_NAP_S = 0.25
NEW_S = 5.0  # seconds for which a connection is new


class Admission:
    """Charges the work of the server's thread, and lets new connections wait in line once their part of the time is used up.

    Time beyond that part is not taken off the budget of the pictures, so that new connections cannot starve the readers who are
    there. For the thread of the server.
    """

    def __init__(self, budget: Budget, waits: Callable[[], bool]) -> None:
        """
        Args:
            budget: of all readers.
            waits: whether the run waits for a reader, so that no connection needs to wait.
        """
        self._budget, self._run_waits = budget, waits
        self._part = Budget(_SHARE * budget.share, _SAVED_S)
        self._part.spend(-_SAVED_S * self._part.share)
        self._line = asyncio.Lock()
        self._seen: float | None = None  # time of the thread that is charged
        self._sent = 0.0  # of the time since then, that for pictures and status

    @contextmanager
    def sending(self, budget: Budget) -> Iterator[None]:
        """Charges the work inside, without an `await`, to a budget: it is for a reader who is there."""
        began = time.thread_time()
        yield
        cost = time.thread_time() - began
        self._sent += cost
        budget.spend(cost)

    def charge(self) -> None:
        """Charges the other work since the last call."""
        now = time.thread_time()
        cost = 0.0 if self._seen is None else max(0.0, now - self._seen - self._sent)
        self._seen, self._sent = now, 0.0
        within = not self._part.wait
        self._part.spend(cost)
        if within:
            self._budget.spend(cost)

    async def admit(self) -> None:
        """Waits until the connections before this one are admitted, and there is time for it."""
        async with self._line:
            self.charge()
            while self._part.wait and not self._run_waits():
                await asyncio.sleep(min(self._part.wait, _NAP_S))
                self.charge()
