"""Starts the window: `python -m viewer`, or `aetheria view`."""

import logging
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

from PySide6.QtWidgets import QApplication

from viewer.model.display import check_screen
from viewer.sources.opening import check
from viewer.sources.source import close_all_threads
from viewer.window.ctrl_c import closes_windows
from viewer.window.window import Window


def main(path: str | Path | None = None, overrides: list[str] | None = None, device: str | None = None) -> int:
    """Opens the window on a config or recording, or on the gallery; returns when it is closed.

    Raises:
        AetheriaError: what was asked for cannot be opened.
    """
    check_screen()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    with closes_windows():
        window = open_window(path, overrides, device)
        code = app.exec()
    del window
    return code


def open_window(path: str | Path | None = None, overrides: list[str] | None = None, device: str | None = None) -> Window:
    """A window on a config or recording, playing, or on the gallery.

    Raises:
        AetheriaError: what was asked for cannot be opened.
    """
    if path is not None:
        check(path, overrides, device)  # before there is a window: whoever typed the name reads the answer where it was typed
    window = Window()
    window.entrance.open_queue.device = device
    if path is None:
        window.entrance.show_gallery()
    else:
        window.entrance.open_queue.open(path, overrides)
    window.show()
    return window


def leave(code: int) -> NoReturn:
    """Ends the program, now: what may still be compiling in a thread is of no use to anybody."""
    close_all_threads()
    if any(thread.name == "plan" for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1] if len(sys.argv) > 1 else None))
