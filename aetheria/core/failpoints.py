"""Moments inside a write that has several parts: named, so that a test can kill or fail the process at each of them.

Whoever writes says which it has come to, as in `reached("frame flushed")`, and lists the names of its moments; nothing happens
unless somebody asked for it by `at_moments`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_acts: list[Callable[[str], None]] = []


def reached(moment: str) -> None:
    """Says that a write has come to `moment`."""
    for act in _acts:
        act(moment)


@contextmanager
def at_moments(act: Callable[[str], None]) -> Iterator[None]:
    """Calls `act` with the name of every moment reached in the block, in the thread that reaches it; its errors go there."""
    _acts.append(act)
    try:
        yield
    finally:
        _acts.remove(act)
