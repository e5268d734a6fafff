"""The viewer as a program: its window, and its exit."""

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


def run_window(path: str | Path | None = None, overrides: list[str] | None = None, device: str | None = None) -> int:
    """Opens the window on a config or recording, or on the gallery; returns its exit code when it is closed.

    Raises:
        AetheriaError: the file cannot be opened.
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
        AetheriaError: the file cannot be opened.
    """
    if path is not None:
        check(path, overrides, device)  # before there is a window, so that errors appear on the command line
    window = Window()
    window.pages.open_queue.device = device
    if path is None:
        window.pages.show_gallery()
    else:
        window.pages.open_queue.open(path, overrides)
    window.show()
    return window


def exit_program(code: int) -> NoReturn:
    """Ends the program at once, without waiting for plans that are still being compiled."""
    close_all_threads()
    if any(thread.name == "plan" for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
