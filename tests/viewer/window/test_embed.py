"""`show(motor)` from somebody's own code: in a plain script, beside a Qt application, and where there is no screen."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt's system libraries are missing here")

import torch
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.viewer.fakes import life
from viewer import show
from viewer.model.display import ViewerError
from viewer.sources.live import LiveSource

_BEGIN = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
import torch
torch.set_num_threads(1)
from PySide6.QtCore import QSettings
QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, sys.argv[1])
from aetheria import Aetheria_Motor, Life
from viewer import show

motor = Aetheria_Motor(Life(), (24, 32), 1, "cpu", {"plan": "eager"})

def until(done):
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)
"""


def script(body: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of a user's, who has a motor."""
    command = [sys.executable, "-c", _BEGIN + textwrap.dedent(body), str(folder)]
    kept = {key: value for key, value in os.environ.items() if environment.get(key) != ""}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=kept | environment)


def test_a_script_goes_on_stepping_while_the_window_shows_and_edits_and_ends_cleanly(fresh_settings: Path) -> None:
    done = script(
        """
        shown = show(motor, title="mine")
        steps = lambda window: window.controller.frame.step if window.controller.frame else -1
        for step in range(300):
            motor.step(1)
            assert motor.step_count == step + 1
        until(lambda: shown.ask(steps) == 300)
        motor.step(1)
        until(lambda: shown.ask(steps) == 301)
        everything = torch.ones(1, 24, 32)
        shown.ask(lambda window: window.controller.source.submit_with_motor(lambda m: m.set_cells(everything)))
        until(lambda: int(motor.cells.sum()) == 24 * 32)
        print(shown.ask(lambda window: window.windowTitle()), threading.current_thread() is threading.main_thread())
        """,
        fresh_settings,
    )
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, "mine - Aetheria True"), done.stderr
    assert "Error" not in done.stderr


def test_closed_windows_leave_nothing_behind_and_the_motor_as_it_was(fresh_settings: Path) -> None:
    done = script(
        """
        import gc
        from viewer.window.window import Window
        shown = show(motor)
        recorder = motor.subscribe(delivery="lossless", every=1)
        for _ in range(5):
            shown.close()
            assert shown.closed.is_set() and shown.wait()
            shown = show(motor)
        shown.close()
        del shown
        until(lambda: threading.active_count() == 2)  # this one, and the windows' own
        until(lambda: gc.collect() >= 0 and not any(type(o) is Window for o in gc.get_objects()))
        assert not recorder.closed
        motor.step(3)
        print([frame.step for frame in (recorder.get(1) for _ in range(4))])
        before = motor.optimizer.transfer_stats.bytes
        recorder.close()
        motor.step(50)
        print(motor.optimizer.transfer_stats.bytes - before)
        """,
        fresh_settings,
    )
    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["[0, 1, 2, 3]", "0"]), done.stderr


def test_no_widget_is_left_for_another_thread_to_destroy(fresh_settings: Path) -> None:
    done = script(
        """
        import gc, shiboken6
        from PySide6.QtWidgets import QApplication, QWidget
        from viewer.window import embed
        from viewer.sources.live import LiveSource
        from viewer.window.window import Window

        def orphans():
            tops = [(type(w).__name__, w.objectName()) for w in QApplication.topLevelWidgets() if w.parent() is None]
            return [top for top in tops if top not in [("Window", "aetheria"), ("QWidget", "")]]  # each scene's layout has one

        def opened(_):
            window = Window()
            window.controller.open(LiveSource(motor, title="mine", steps_it=False, borrowed=True))
            window.show()
            QApplication.processEvents()
            plots = next(panel for panel in window.panels.values() if hasattr(panel, "boxes"))
            for _ in range(2):
                for box in plots.boxes.values():
                    box.click()
            QApplication.processEvents()
            orphaned = orphans()
            window.close()
            shiboken6.delete(window)
            QApplication.processEvents()
            widgets = [o for o in gc.get_objects() if type(o).__module__ != "torch" and isinstance(o, QWidget)]
            return orphaned, [type(w).__name__ for w in widgets if shiboken6.isValid(w) and shiboken6.ownedByPython(w)]

        gc.disable()  # and while the windows' thread works, this one waits: what is dropped there is still there to be seen
        windows = embed._window_thread(None)
        print(*windows.call(opened))
        """,
        fresh_settings,
    )
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, "[] []"), done.stderr


@pytest.mark.parametrize("where", ["anywhere", "finalizer"])
def test_a_window_that_is_waited_for_steps_the_motor_and_ctrl_c_closes_it(where: str, fresh_settings: Path) -> None:
    done = script(
        f"""
        from viewer.controllers.controller import Controller
        ticks, tick = [], Controller.tick

        class Last:
            def __del__(self):  # where what Python raises is lost
                signal.raise_signal(signal.SIGINT)

        def counted(controller):
            ticks.append(1)
            if len(ticks) == 4 and {where!r} == "finalizer":
                Last()
            tick(controller)

        Controller.tick = counted

        def press():
            until(lambda: len(ticks) > 3)
            os.kill(os.getpid(), signal.SIGINT)

        if {where!r} == "anywhere":
            threading.Thread(target=press).start()
        shown = show(motor, block=True)
        print("closed", shown.closed.is_set())
        motor.step(1)
        print(motor.step_count)
        """,
        fresh_settings,
    )
    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["closed True", "1"]), done.stderr
    assert "Traceback" not in done.stderr


def test_where_there_is_no_screen_it_says_so_and_what_to_do(fresh_settings: Path) -> None:
    done = script("show(motor)", fresh_settings, QT_QPA_PLATFORM="", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 1
    assert "ViewerError: no screen found" in done.stderr


def test_beside_a_qt_application_the_window_joins_it(qtbot: QtBot) -> None:
    motor = life()
    shown = show(motor)
    window = shown.ask(lambda window: window)
    assert window in QApplication.topLevelWidgets()
    source = window.controller.source
    assert isinstance(source, LiveSource)
    assert not source.runs
    qtbot.waitUntil(lambda: window.controller.frame is not None)
    motor.step(7)
    qtbot.waitUntil(lambda: window.controller.frame is not None and window.controller.frame.step == 7)
    assert not shown.wait(0.01)
    window.close()
    assert shown.wait(10)
    with pytest.raises(ViewerError, match="the window is closed"):
        shown.ask(lambda window: window)


def test_the_window_may_step_a_motor_that_is_lent_to_it(qtbot: QtBot) -> None:
    motor = life()
    kept = motor.subscribe(delivery="latest")
    shown = show(motor, steps=True)
    shown.ask(lambda window: window.controller.toggle_play())
    qtbot.waitUntil(lambda: motor.step_count > 3)
    shown.close()
    assert shown.wait(10)
    qtbot.waitUntil(lambda: not kept.closed)
    motor.step(1)
    assert torch.isfinite(motor.cells).all()


def test_on_macos_a_script_is_told_how_to_have_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    from viewer.window import embed

    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ViewerError, match=r"show\(motor, block=True\)"):
        embed._window_thread(None)
