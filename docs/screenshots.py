"""Makes the pictures of the viewer in README.md and viewer.md: opens the real window, acts on it, and saves screenshots.

QT_QPA_PLATFORM=offscreen python docs/screenshots.py            # all
QT_QPA_PLATFORM=offscreen python docs/screenshots.py flow remote
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import torch
from PySide6.QtCore import QCoreApplication, QEventLoop, QPointF, QSettings, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from torch import Tensor

from aetheria import Lenia
from aetheria.laws import build_law
from aetheria.laws.base import Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import load_config
from aetheria.runs.run import build_motor, run
from aetheria.runs.steering import Steering
from viewer.model.region import Region
from viewer.sources.live import LiveSource
from viewer.window.app import open_window
from viewer.window.window import Window

HERE = Path(__file__).parent
SIZE = (1360, 860)


def spin(until: Callable[[], object], seconds: float = 60.0) -> None:
    """Runs the event loop until something is so."""
    loop, ends = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > ends else None)
    timer.start(5)
    loop.exec()


def wait(seconds: float) -> None:
    """Runs the event loop for a while."""
    ends = time.monotonic() + seconds
    spin(lambda: time.monotonic() > ends)


def photograph(window: Window, name: str) -> None:
    """Saves the window as docs/viewer_<name>.png."""
    wait(0.6)
    path = HERE / f"viewer_{name}.png"
    window.grab().save(str(path))
    sys.stdout.write(f"{path}\n")


def opened(what: str | Path | None = None, *docks: str) -> Window:
    """A window of the usual size, with these panels open and no others."""
    window = open_window(what)
    window.resize(*SIZE)
    only(window, *docks)
    if what is not None:
        spin(lambda: window.controller.frame is not None)
    wait(0.3)
    window.controller.fit()
    return window


def only(window: Window, *docks: str) -> None:
    """Opens these panels, and closes all others."""
    for name, dock in window.docks.items():
        dock.setVisible(name in docks)


def step_of(window: Window) -> int:
    """Of the motor."""
    source = window.controller.source
    return source.motor.step_count if isinstance(source, LiveSource) else 0


def stroke(window: Window, *cells: tuple[float, float]) -> None:
    """Drags the mouse with the left button over these cells (y, x)."""
    canvas = window.canvas
    points = [canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(x, y))) for y, x in cells]
    QTest.mousePress(canvas.viewport(), Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:
        QTest.mouseMove(canvas.viewport(), point)
        wait(0.05)
    QTest.mouseRelease(canvas.viewport(), Qt.MouseButton.LeftButton, pos=points[-1])


def gallery() -> None:
    """The first page."""
    window = opened()
    photograph(window, "gallery")
    window.close()


def lizard() -> None:
    """A live run that is being edited, with plots."""
    window = opened("quickstart", "view", "law", "tools", "plots")
    window.controller.unlimited()
    spin(lambda: step_of(window) > 400)
    window.controller.set_speed(30.0)
    wait(1.0)
    window.controller.tools.erase()
    stroke(window, (30, 30), (45, 45), (60, 60))
    wait(0.8)
    photograph(window, "live")
    window.close()


def waves() -> None:
    """Complex amplitudes, seen as phase, with the cell under the mouse."""
    window = opened("convlstm", "view", "inspector")
    window.controller.unlimited()
    spin(lambda: step_of(window) > 300)
    window.controller.toggle_play()
    window.controller.view.show_region(Region(20, 20, 40, 60))
    wait(0.5)
    canvas = window.canvas
    QTest.mouseMove(canvas.viewport(), canvas.viewport().rect().center())
    wait(0.5)
    photograph(window, "cells")
    window.close()


def recording() -> None:
    """A recording, in the light."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orbium.h5"
        run(load_config("orbium", ["steps=400"]), path)
        window = opened(path, "view", "plots")
        if window.controller.model.theme == "dark":
            window.controller.toggle_theme()
        window.controller.go_to(150)
        spin(lambda: window.controller.frame is not None and window.controller.frame.step == 150)
        photograph(window, "recording")
        window.close()
        wait(0.5)


class Rule110(Law):
    """Wolfram's elementary rule 110: the next state by those of the left, own and right cell, as bits of 110."""

    channels = 1
    ranks = (1,)
    radius = 1
    states = 2

    def forward(self, cells: Tensor) -> Tensor:
        neighbourhood = 4 * cells.roll(1, -1) + 2 * cells + cells.roll(-1, -1)
        return (110 >> neighbourhood.int() & 1).to(cells.dtype)


def shown(motor: Aetheria_Motor, title: str, step: int) -> Window:
    """A window on a motor, at a step."""
    window = opened()
    window.controller.open(LiveSource(motor, title=title))
    window.docks["view"].show()
    window.docks["tools"].show()
    window.controller.go_to(step)
    spin(lambda: window.controller.frame is not None and window.controller.frame.step == step)
    window.controller.fit()
    return window


def row() -> None:
    """A grid of one dimension: rule 110, a row for each step."""
    cells = (torch.rand(1, 480, generator=torch.Generator().manual_seed(4)) < 0.5).float()
    window = shown(Aetheria_Motor(Rule110(), (480,), 1, "cpu", {"plan": "eager"}, initial=cells), "Rule 110", 700)
    photograph(window, "1d")
    window.close()


def volume() -> None:
    """A grid of three dimensions: Lenia, one slice."""
    motor = Aetheria_Motor(Lenia(), (48, 64, 96), 1, "cpu", {"plan": "eager"}, initial="noise")
    window = shown(motor, "Lenia in three dimensions", 14)
    window.controller.set_slice("y", 30)
    photograph(window, "3d")
    window.close()


def beside(window: Window, *names: str) -> None:
    """Opens these panels side by side."""
    docks = [window.docks[name] for name in names]
    for dock in docks:  # out of the tabs that they are in at first
        window.removeDockWidget(dock)
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock, Qt.Orientation.Horizontal)
        dock.show()
    wait(0.2)
    window.resizeDocks(docks, [1] * len(docks), Qt.Orientation.Horizontal)
    window.controller.fit()


def drawn(window: Window, *names: str) -> bool:
    """Whether these panels show results."""
    return all(window.panels[name].caption.text() for name in names)  # type: ignore[attr-defined]


def flow() -> None:
    """Orbium, with its flow and its past frames."""
    window = opened()
    config = load_config("orbium", ["grid.height=64", "grid.width=64"])
    window.controller.open(LiveSource(build_motor(config), title="Orbium", config=config))
    only(window, "view")
    beside(window, "flow", "past")
    window.controller.toggle_play()
    spin(lambda: step_of(window) > 150)
    window.controller.toggle_play()
    spin(lambda: drawn(window, "flow", "past"))
    photograph(window, "flow")
    window.close()


def universes() -> None:
    """A batch of twelve cyclic automata."""
    motor = Aetheria_Motor(build_law("Cyclic"), (96, 96), seed=3, device="cpu", initial="noise", batch=12)
    window = opened()
    window.controller.open(LiveSource(motor, title="Cyclic automaton"))
    only(window, "view", "universes")
    window.controller.go_to(160)
    spin(lambda: window.controller.frame is not None and window.controller.frame.step == 160)
    window.controller.model.change_view(universe=5)
    window.controller.fit()
    spin(lambda: "160" in window.panels["universes"].caption.text())  # type: ignore[attr-defined]
    photograph(window, "universes")
    window.close()


def dynamics() -> None:
    """Spirals of a cyclic automaton: power spectrum, phase portrait and recurrence."""
    window = opened("cyclic")
    names = ("spectrum", "portrait", "recurrence")
    beside(window, *names)
    across = window.panels["portrait"].choices[0]  # type: ignore[attr-defined]
    across.setCurrentText("Total energy")
    across.activated.emit(across.currentIndex())
    spin(lambda: step_of(window) > 420)
    window.controller.toggle_play()
    spin(lambda: drawn(window, *names))
    photograph(window, "dynamics")
    window.close()


def remote() -> None:
    """A served run: its edits, parameters and speed."""
    motor, steering, ended = build_motor(load_config("orbium")), Steering(), threading.Event()
    steering.limit(25.0)
    stepper = threading.Thread(target=steering.step, args=(motor, 1 << 62, ended.is_set))
    with motor.serve(port=0, steering=steering, title="Orbium") as server:
        stepper.start()
        window = opened(server.url, "view", "law")
        spin(lambda: motor.step_count > 50)
        window.controller.parameters.set("m", 0.16)
        spin(lambda: window.controller.history.lines)
        wait(1.5)
        photograph(window, "served")
        window.close()
        ended.set()
        stepper.join()


def main() -> None:
    """All pictures, or those of the scenes that are named on the command line."""
    QApplication([])
    QCoreApplication.setOrganizationName("Aetheria pictures")
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    with tempfile.TemporaryDirectory() as folder:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
        for scene in (gallery, lizard, waves, recording, row, volume, flow, universes, dynamics, remote):
            if scene.__name__ in sys.argv[1:] or not sys.argv[1:]:
                scene()


if __name__ == "__main__":
    main()
