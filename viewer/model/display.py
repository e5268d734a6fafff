"""Check for a screen: without one Qt would end the program. No Qt."""

import os
import sys

from aetheria.core.errors import AetheriaError


class ViewerError(AetheriaError, RuntimeError):
    """No window can be opened on this machine."""

    exit_code = 2


def check_screen() -> None:
    """Raises ViewerError where there is no screen to open a window on."""
    chosen = os.environ.get("QT_QPA_PLATFORM") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not chosen:
        raise ViewerError(
            "no screen found: neither DISPLAY nor WAYLAND_DISPLAY is set. Start the viewer in a desktop session, or over "
            "ssh -X; `aetheria run` records runs without a window"
        )
