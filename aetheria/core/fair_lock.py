"""First-come, first-served reentrant lock that survives Ctrl-C.

The stepping thread releases it between chunks and acquires it again at once; with an ordinary lock it would win every time,
and a viewer that reads the cells would starve.

KeyboardInterrupt can be raised between any two operations of the main thread, also inside `__enter__` and `__exit__`. So the
lock itself is Python's `RLock`, which is entered and left in one operation, and the queue before it is a deque, which a thread
joins and leaves in one operation; each can be repeated where it is not known whether it was done.
"""

import atexit
import threading
from _thread import LockType, RLock, allocate_lock
from collections import deque
from contextlib import suppress
from weakref import WeakSet

_LONGEST_S = 5.0  # that the end of Python waits for a daemon thread
_POLL_S = 0.05  # between looks at the queue: an interrupted thread may have left it without waking the next one


class FairLock(RLock):  # type: ignore[misc]  # final in the stubs only
    """A lock that serves threads in the order of their arrival; the holder may enter again."""

    _parks = False  # daemon threads: Python is ending

    def __init__(self) -> None:
        _LOCKS.add(self)
        self._waiting: deque[LockType] = deque()  # a locked lock for each thread; the first one waits for the holder

    @property
    def depth(self) -> int:
        """How many times the calling thread has entered it."""
        return int(repr(self).partition(" count=")[2].split()[0]) if self._is_owned() else 0  # type: ignore[attr-defined]

    def release_to(self, depth: int) -> None:
        """Leaves it until the calling thread has entered it no more than `depth` times: after an exception in a block."""
        while self.depth > depth:
            self.release()

    def __enter__(self) -> bool:  # type: ignore[override]  # another name of `acquire` in the stubs
        depth, turn = self.depth, allocate_lock()
        try:
            if not depth:
                self._wait(turn)
            self.acquire()
            if self._parks and not depth:
                self._park(turn)
            return self._leave(turn)  # no line after it: the lock is held
        except BaseException:
            self._leave(turn)
            self.release_to(depth)
            raise

    def _wait(self, turn: LockType) -> None:
        """Waits until this thread is the first in the queue."""
        turn.acquire()
        self._waiting.append(turn)
        while self._waiting[0] is not turn:
            turn.acquire(timeout=_POLL_S)

    def _park(self, turn: LockType) -> None:
        """Keeps a daemon thread for good, without the lock."""
        if threading.current_thread().daemon:
            self._leave(turn)
            self.release_to(0)
            turn.acquire(False)
            turn.acquire()

    def _leave(self, turn: LockType) -> bool:
        """Leaves the queue, and wakes the thread that is now its first; may be repeated. True."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        if self._waiting:
            with suppress(IndexError, RuntimeError):  # the first one has left, or was woken before
                self._waiting[0].release()
        return True


_LOCKS: WeakSet[FairLock] = WeakSet()


@atexit.register
def _park_daemons() -> None:
    """Lets daemon threads leave their locks, and wait for good where they would enter one again.

    Python stops them wherever they are, and to be stopped inside torch's code aborts the process.
    """
    FairLock._parks = True
    for lock in list(_LOCKS):
        if lock.acquire(timeout=_LONGEST_S):
            lock.release()
