"""Windows on a motor of the user's own program, for `viewer.show`."""

import atexit
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QEventLoop,
    QMessageLogContext,
    QObject,
    Qt,
    QThread,
    QTimer,
    QtMsgType,
    Signal,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from aetheria.motor.motor import Aetheria_Motor
from viewer.model.display import ViewerError, check_screen
from viewer.sources.live import LiveSource
from viewer.window.ctrl_c import closes_windows
from viewer.window.window import Window

T = TypeVar("T")
_PATIENCE_S = 10.0  # seconds to wait for the thread of the windows


def open_motor_window(motor: Aetheria_Motor, *, title: str, block: bool, steps: bool) -> "WindowHandle":
    """Implements `viewer.show`."""
    check_screen()
    app = QCoreApplication.instance()
    if app is None and block:
        return _alone(motor, title, steps)
    shown = _window_thread(app).call(lambda thread: WindowHandle(thread, motor, title, steps))
    if block:
        shown.wait()
    return shown


class WindowThread(QObject):
    """A thread with a Qt application, where windows live.

    Attributes:
        windows: handles of the open windows.
    """

    _asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.windows: list[WindowHandle] = []
        self._thread = threading.get_ident()
        self._asked.connect(lambda job: job(), Qt.ConnectionType.QueuedConnection)

    @property
    def here(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.get_ident() == self._thread

    def call(self, job: Callable[["WindowThread"], T]) -> T:
        """Runs a job in this thread, and waits for its result."""
        if self.here:
            return job(self)
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(job(self))
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread
                future.set_exception(error)

        self._asked.emit(do)
        return future.result()


class WindowHandle:
    """A window opened by `show`. Its methods may be called from any thread.

    Attributes:
        closed: set when the window has been closed.
    """

    def __init__(self, thread: WindowThread, motor: Aetheria_Motor, title: str, steps: bool) -> None:
        """Called in the thread of the windows."""
        self.closed = threading.Event()
        self._window_thread = thread
        self._window: Window | None = Window()
        self._window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._window.destroyed.connect(self._gone)
        self._window.controller.open(LiveSource(motor, title=title, steps_it=steps, borrowed=True))
        self._window.show()
        thread.windows.append(self)

    def close(self) -> None:
        """Closes the window, if it is open; from another thread, waits until it is closed."""

        def close(_: WindowThread) -> None:
            if self._window is not None:
                self._window.close()

        if not self.closed.is_set():
            self._window_thread.call(close)
        if not self._window_thread.here:
            self.closed.wait(_PATIENCE_S)

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until the user has closed the window, or for so many seconds; returns whether it is closed."""
        if not self._window_thread.here:
            return self.closed.wait(seconds)
        if self._window is not None:
            loop = QEventLoop()
            self._window.destroyed.connect(loop.quit)
            if seconds is not None:
                QTimer.singleShot(round(1000 * seconds), loop.quit)
            loop.exec()
        return self.closed.is_set()

    def ask(self, job: Callable[[Window], T]) -> T:
        """Runs a job with the window, in its thread: `handle.ask(lambda window: window.grab().save("window.png"))`.

        Raises:
            ViewerError: the window is closed.
        """

        def with_window(_: WindowThread) -> T:
            if self._window is None:
                raise ViewerError("show: the window is closed")
            return job(self._window)

        return self._window_thread.call(with_window)

    def _gone(self) -> None:
        self._window = None
        if self in self._window_thread.windows:
            self._window_thread.windows.remove(self)
        self.closed.set()


_own: WindowThread | None = None  # started here, for programs without a Qt application


def _window_thread(app: QCoreApplication | None) -> WindowThread:
    """The thread for the next window."""
    global _own
    if app is None:
        if sys.platform == "darwin":
            raise ViewerError(
                "show: on macOS windows live in the main thread, which your code needs: show(motor, block=True) opens a window "
                "that steps the motor itself; in IPython or Jupyter, use `%gui qt` first"
            )
        _own = _start()
    elif _own is None or app.thread() != _own.thread():
        if app.thread() != QThread.currentThread():
            raise ViewerError("show: the Qt application of this program lives in another thread; call show() there")
        return WindowThread()
    return _own


def _alone(motor: Aetheria_Motor, title: str, steps: bool) -> WindowHandle:
    """A window with its own application, in the calling thread, until it is closed."""
    if sys.platform == "darwin" and threading.current_thread() is not threading.main_thread():
        raise ViewerError("show: on macOS windows live in the main thread only; call show() there")
    app = QApplication(sys.argv[:1])
    try:
        with closes_windows():
            shown = WindowHandle(WindowThread(), motor, title, steps)
            shown.wait()
        return shown
    finally:
        app.shutdown()


def _start() -> WindowThread:
    """Starts a thread for windows, which lives as long as the program."""
    started: Future[WindowThread] = Future()
    thread = threading.Thread(target=_live, args=(started,), name="aetheria windows", daemon=True)
    thread.start()
    windows = started.result()
    atexit.register(_end, windows, thread)
    return windows


def _live(started: "Future[WindowThread]") -> None:
    try:
        before = qInstallMessageHandler(_but_for_the_thread)
        app = QApplication(sys.argv[:1])
        qInstallMessageHandler(before)
        app.setQuitOnLastWindowClosed(False)
        thread = WindowThread()
    except BaseException as error:  # noqa: BLE001 - raised in the calling thread
        started.set_exception(error)
        return
    started.set_result(thread)
    app.exec()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)  # windows just closed
    app.shutdown()


def _but_for_the_thread(_: QtMsgType, __: QMessageLogContext, text: str) -> None:
    """Prints messages of Qt, except the one about another thread than the main thread, which is intended."""
    if "not created in the main() thread" not in text:
        print(text, file=sys.stderr)


def _end(windows: WindowThread, thread: threading.Thread) -> None:
    """Closes all windows and ends their thread before Python ends."""

    def quit_all(windows: WindowThread) -> None:
        for shown in list(windows.windows):
            shown.close()
        QCoreApplication.quit()

    windows.call(quit_all)
    thread.join(_PATIENCE_S)
