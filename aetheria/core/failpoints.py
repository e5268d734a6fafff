"""Failpoints: named points in a write of several parts, at which a test can kill the process or make it fail.

The writing code calls `reached("frame flushed")` and lists the failpoints; nothing happens outside of
`on_failpoints`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_acts: list[Callable[[str], None]] = []


def reached(failpoint: str) -> None:
    """Marks the point that a write has come to."""
    for act in _acts:
        act(failpoint)


@contextmanager
def on_failpoints(act: Callable[[str], None]) -> Iterator[None]:
    """Calls `act` with the name of every failpoint reached in the block, in the thread that reaches it; its errors go there."""
    _acts.append(act)
    try:
        yield
    finally:
        _acts.remove(act)
