"""Starts the window: `python -m viewer`, or `aetheria view`."""

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from viewer.opening import open_config
from viewer.window import Window


def main(path: str | Path | None = None, overrides: list[str] | None = None, device: str | None = None) -> int:
    """Opens the window on a config or recording, or on the gallery; returns when it is closed.

    Raises:
        AetheriaError: what was asked for cannot be opened.
    """
    app = QApplication.instance() or QApplication(sys.argv[:1])
    window = open_window(path, overrides, device)
    code = app.exec()
    del window
    return code


def open_window(path: str | Path | None = None, overrides: list[str] | None = None, device: str | None = None) -> Window:
    """A window on a config or recording, playing, or on the gallery.

    Raises:
        AetheriaError: what was asked for cannot be opened.
    """
    window = Window()
    if path is None:
        window.show_gallery()
    else:
        window.controller.open(open_config(path, overrides, device))
        window.controller.toggle_play()
    window.show()
    return window


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
