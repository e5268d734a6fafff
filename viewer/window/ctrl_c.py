"""Ctrl-C in the terminal closes the windows."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication


@contextmanager
def closes_windows() -> Iterator[None]:
    """Inside the block the first Ctrl-C closes all windows, as the user would; the next one has its usual effect.

    Python's own handler raises in any code, and the exception is lost inside a finalizer. Does nothing outside the main thread,
    or where the program has a handler of its own.
    """
    own = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

    def close(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        QTimer.singleShot(0, QApplication.closeAllWindows)

    if own:
        signal.signal(signal.SIGINT, close)
    try:
        yield
    finally:
        if own:
            signal.signal(signal.SIGINT, signal.default_int_handler)
