"""Whether a window can be had here at all; Qt itself ends the program when it cannot. No Qt."""

import os
import sys

from aetheria.core.errors import AetheriaError


class ViewerError(AetheriaError, RuntimeError):
    """No window can be opened here."""

    exit_code = 2


def check_screen() -> None:
    """Raises ViewerError where there is no screen to open a window on."""
    chosen = os.environ.get("QT_QPA_PLATFORM") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not chosen:
        raise ViewerError(
            "there is no screen here: neither DISPLAY nor WAYLAND_DISPLAY is set. Start it in a desktop session, or over "
            "ssh -X; runs without a window are recorded by `aetheria run`"
        )
