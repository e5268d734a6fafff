"""The desktop viewer. `from viewer import show; show(motor)` opens it on a motor of your own."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aetheria.motor.motor import Aetheria_Motor
    from viewer.window.embed import WindowHandle


def show(motor: "Aetheria_Motor", *, title: str = "", block: bool = False, steps: bool | None = None) -> "WindowHandle":
    """Opens a window on a motor, and returns at once; your code goes on stepping it.

    Where this thread has a Qt application already (`%gui qt` in IPython, a program with windows of its own), the window joins
    it. Elsewhere windows live in a thread of their own, which ends with the program: `show(motor).wait()` waits until the user
    has closed the window. Nothing is computed for a window that nobody sees, and one that is closed leaves the motor as it was.

    Args:
        motor: to watch and to edit.
        title: of the window; the law's name by default.
        block: return when the window is closed. On macOS the only way without a Qt application, for windows live in the main
            thread there.
        steps: the window steps the motor and can pause it; False: your code does, and the window watches and edits. As `block`
            by default: code that waits steps nothing.

    Raises:
        ViewerError: there is no screen, or no window can be had in this thread; says what to do.
    """
    try:
        from viewer.window.embed import open_window  # Qt is loaded when it is needed
    except ImportError as error:
        from viewer.model.display import ViewerError

        raise ViewerError(f"show: the viewer needs PySide6 and pyqtgraph: pip install 'aetheria[viewer]' ({error})") from None
    return open_window(motor, title=title, block=block, steps=block if steps is None else steps)
