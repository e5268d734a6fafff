"""Desktop viewer: `from viewer import show; show(motor)` opens a window on a motor."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aetheria.motor.motor import Aetheria_Motor
    from viewer.window.embed import WindowHandle


def show(motor: "Aetheria_Motor", *, title: str = "", block: bool = False, steps: bool | None = None) -> "WindowHandle":
    """Opens a window on a motor and returns at once; the calling code goes on stepping it.

    If this thread has a Qt application (`%gui qt` in IPython, a program with its own windows), the window joins it. Otherwise
    windows live in a thread of their own, which ends with the program: `show(motor).wait()` waits until the user has closed the
    window. A hidden window costs no computation, and a closed one leaves the motor unchanged.

    Args:
        motor: the motor to show and edit.
        title: window title; the law's name by default.
        block: return when the window is closed. On macOS required without a Qt application, because windows must live in the
            main thread.
        steps: the window steps the motor and can pause it; False: the calling code steps it, and the window shows and edits.
            Defaults to `block`.

    Raises:
        ViewerError: there is no screen, or no window can be opened in this thread; the message names the remedy.
    """
    try:
        from viewer.window.embed import open_motor_window  # imported late, because it loads Qt
    except ImportError as error:
        from aetheria.core.extras import VIEWER_NEEDS
        from viewer.model.display import ViewerError

        raise ViewerError(f"show: {VIEWER_NEEDS} ({error})") from None
    return open_motor_window(motor, title=title, block=block, steps=block if steps is None else steps)
