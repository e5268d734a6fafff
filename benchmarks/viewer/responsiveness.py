"""What the viewer reaches: frames a second, a window that answers, the cost of showing, leaks, and the first picture.

QT_QPA_PLATFORM=offscreen python -m benchmarks.viewer.responsiveness --out benchmarks/results/viewer.md
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QObject, QTimer
from PySide6.QtWidgets import QApplication

from aetheria import Aetheria_Motor, build_law
from aetheria.diagnostics.bench import seconds_per_step, synchronised_step
from aetheria.observe.request import Part
from benchmarks.harness.cases import Job, motor_for
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import Row, table
from viewer.controllers.controller import Controller
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.sources.live import LiveSource
from viewer.sources.live_frames import frame_of
from viewer.sources.source import FrameSource
from viewer.window.window import Window

_PAINTED = (("GrowingNCA", "rgb"), ("MLP", "density"), ("MLP", "phase_0"), ("Life", "channel_0"))


class NoWindow:
    """A view that takes pictures and paints nothing: what is measured with it is the showing, not the painting.

    Attributes:
        pictures: how many it took.
    """

    def __init__(self) -> None:
        self.pictures = 0

    def show_source(self, source: FrameSource | None) -> None:
        """Nothing."""

    def show_plane(self, plane: Plane) -> None:
        """Nothing."""

    def show_frame(self, frame: RenderedFrame) -> None:
        """Counts it."""
        self.pictures += 1

    def show_status(self, status: Status) -> None:
        """Nothing."""

    def show_message(self, message: Message) -> None:
        """Fails: a benchmark of something broken means nothing."""
        raise RuntimeError(message.text)

    def show_waiting(self, what: str) -> None:
        """Nothing."""

    def show_region(self, region: Region) -> None:
        """Nothing."""

    def centre(self, y: float, x: float) -> None:
        """Nothing."""

    def zoom(self, factor: float | None) -> None:
        """Nothing."""


def spin(seconds: float, until: Callable[[], object] = lambda: False) -> None:
    """Runs Qt's event loop for a while, or until something is so."""
    loop, ends = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() >= ends else None)
    timer.start(2)
    loop.exec()


def frames_per_second(side: int, seconds: float, speed: float | None) -> Row:
    """Pictures drawn a second by the real window, whole grid in view, while Life takes `speed` beats of 8 steps a second."""
    window = Window()
    window.resize(side + 500, side + 200)
    window.controller.open(LiveSource(motor_for(Job("ours", "Life", side))))
    window.show()
    window.controller.set_speed(speed)
    window.controller.model.set(stride=8)
    window.controller.toggle_play()
    spin(min(1.5, seconds))
    drawn = Drawn(window)
    source = window.controller.source
    assert source is not None
    before = source.status().step
    began = time.monotonic()
    spin(seconds)
    took = time.monotonic() - began
    steps = (source.status().step - before) / took
    pixels = window.controller.frame.pixels.shape if window.controller.frame else (0, 0)
    window.close()
    named = "unlimited" if speed is None else f"{speed:g} x 8 steps"
    return ["Life", f"{side}^2", named, f"{pixels[0]} x {pixels[1]}", f"{drawn.pictures / took:.1f}", f"{steps:,.0f}"]


class Drawn(QObject):
    """Counts the pictures that were painted on the canvas: paintings after which another picture had come."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.pictures = 0
        self._window = window
        self._last: RenderedFrame | None = None
        window.canvas.viewport().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Looks at paintings."""
        frame = self._window.controller.frame
        if event.type() == QEvent.Type.Paint and frame is not self._last:
            self._last = frame
            self.pictures += 1
        return False


def answers(side: int, seconds: float) -> list[Row]:
    """How late a timer of the event loop fires while a law takes long steps: median, 99th percentile, longest."""
    window = Window()
    window.show()
    motor = motor_for(Job("ours", "UNet", side, plan="eager"))
    per_step = seconds_per_step(synchronised_step(motor), 0.1)
    window.controller.open(LiveSource(motor))
    window.controller.unlimited()
    window.controller.toggle_play()
    spin(min(1.0, seconds))
    late: list[float] = []
    last = time.perf_counter()
    timer = QTimer()
    timer.setInterval(5)

    def fired() -> None:
        nonlocal last
        now = time.perf_counter()
        late.append(max(0.0, now - last - 0.005))
        last = now

    timer.timeout.connect(fired)
    last = time.perf_counter()
    timer.start()
    spin(seconds)
    timer.stop()
    window.close()
    ends = np.percentile(late, [50, 99, 100]) * 1e3
    return [["UNet, eager", f"{side}^2", f"{per_step:.2f}", *(f"{end:.1f}" for end in ends)]]


def showing(side: int, seconds: float, rate: float) -> list[Row]:
    """Steps a second of GrowingNCA with the window closed, minimised, and shown without painting, in turn."""
    motor = motor_for(Job("ours", "GrowingNCA", side))
    motor.warm_up()
    view = NoWindow()
    controller = Controller(view)
    controller.open(LiveSource(motor))
    controller.set_visible_area(Region(0, 0, side, side), (side, side))
    controller.unlimited()
    controller.toggle_play()
    shown_at = 1 / rate
    found: dict[str, list[tuple[float, float]]] = {"hidden": [], "shown": []}
    moved = {"hidden": 0, "shown": 0}
    stats = motor.optimizer.transfer_stats
    for _ in range(5):
        for state in found:
            controller.set_visible(state == "shown")
            ticking(controller, min(0.3, seconds / 5), shown_at)
            steps, sent, seen, began = motor.step_count, stats.bytes, view.pictures, time.perf_counter()
            ticking(controller, seconds / 5, shown_at)
            took = time.perf_counter() - began
            found[state].append(((motor.step_count - steps) / took, (view.pictures - seen) / took))
            moved[state] += stats.bytes - sent
    controller.close()
    (hidden, _), (shown, frames) = (np.median(found[state], 0) for state in ("hidden", "shown"))
    return [
        [
            "GrowingNCA",
            f"{side}^2",
            f"{hidden:.1f}",
            f"{shown:.1f}",
            f"{1 - shown / hidden:.1%}",
            f"{frames:.1f}",
            f"{moved['hidden']:,}",
            f"{moved['shown'] / 1e6:.1f}",
        ]
    ]


def ticking(controller: Controller, seconds: float, every: float) -> None:
    """Takes pictures at a steady rate."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        controller.tick()
        time.sleep(every)


def picture_cost(law: str, field: str, side: int, repeats: int) -> Row:
    """Processor time of all threads, in ms, that a picture of the whole grid takes: to be made, and for the window to paint."""
    window = Window()
    window.resize(side + 500, side + 200)
    motor = motor_for(Job("ours", law, side))
    motor.warm_up()
    window.controller.open(LiveSource(motor))
    window.show()
    spin(20, lambda: window.controller.frame is not None)
    window.controller.set_field(field)
    spin(0.5)
    window._timer.stop()  # no other pictures
    part = Part(region=(0, 0, side, side), universe=0, finite=True)
    request = motor.request([field], side, "uint8", {field: (0.0, 1.0)}, **part)
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        motor.step(1)
        began = time.process_time()
        frame = frame_of(motor.look(request), request)
        made = time.process_time()
        window.show_frame(frame)
        QCoreApplication.processEvents()
        times.append((made - began, time.process_time() - made))
    window.close()
    return [law, f"{side}^2", field, *(f"{1e3 * time:.2f}" for time in np.median(times, 0))]


def leaks(frames: int, cycles: int) -> list[Row]:
    """Resident memory, threads, widgets after so many frames in one window, and so many windows opened and closed."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    rows: list[Row] = []

    def note(what: str) -> None:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        resident = psutil.Process().memory_info().rss / 2**20
        rows.append([what, f"{resident:.0f}", str(threading.active_count()), str(len(app.allWidgets()))])

    window = open_life()
    spin(1.0)
    note("one window, playing")
    shown = 0
    draw = window.show_frame

    def counted(frame: RenderedFrame) -> None:
        nonlocal shown
        shown += 1
        draw(frame)

    window.show_frame = counted  # type: ignore[method-assign]
    spin(frames, lambda: shown >= frames)
    note(f"the same after {shown:,} frames")
    close(window)
    del window
    for _ in range(min(20, cycles)):
        close(open_life())
    note(f"all closed, {min(20, cycles)} more opened and closed")
    for _ in range(cycles):
        close(open_life())
    note(f"{cycles} more opened and closed")
    return rows


def open_life() -> Window:
    """A window on a small Life, playing, that has shown a picture."""
    window = Window()
    law = build_law("Life")
    window.controller.open(LiveSource(Aetheria_Motor(law, 64, 1, "cpu", {"plan": "eager"})))
    window.show()
    window.controller.toggle_play()
    spin(20, lambda: window.controller.frame is not None)
    return window


def close(window: Window) -> None:
    """Closes it and waits until its threads are gone."""
    source = window.controller.source
    window.close()
    window.deleteLater()
    if isinstance(source, LiveSource):
        spin(10, lambda: not source.thread.is_alive())
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


_FIRST_PICTURE = """
import time, sys
began = time.perf_counter()
from PySide6.QtWidgets import QApplication
from viewer.window.app import open_window
app = QApplication([])
window = open_window(sys.argv[1])
while window.controller.frame is None:
    app.processEvents()
print(time.perf_counter() - began)
window.close()
import os
sys.stdout.flush()
os._exit(0)
"""


def first_pictures(configs: list[str], repeats: int, warm_ups: int = 1) -> list[Row]:
    """Seconds from before the imports to the first picture, each in a new process, after `warm_ups` that are not counted."""
    rows: list[Row] = []
    for config in configs:
        times = []
        for _ in range(warm_ups + repeats):
            done = subprocess.run([sys.executable, "-c", _FIRST_PICTURE, config], capture_output=True, text=True, check=True)
            times.append(float(done.stdout.splitlines()[-1]))
        rows.append([config, f"{statistics.median(times[warm_ups:]):.2f}"])
    return rows


def report(quick: bool) -> list[str]:
    """All tables."""
    side, seconds = (64, 0.2) if quick else (1024, 5.0)
    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
    sections: dict[str, tuple[str, Callable[[], list[Row]]]] = {
        "Frames a second: the real window with its panels, drawn offscreen": (
            "law | grid | speed | picture | frames/s | steps/s",
            lambda: [frames_per_second(side, seconds, speed) for speed in ((None,) if quick else (60.0, 240.0, None))],
        ),
        "The event loop while a step takes long: how late a timer of 5 ms is, in ms": (
            "law | grid | s/step | median | 99th percentile | longest",
            lambda: answers(32 if quick else 512, 4 * seconds),
        ),
        "What showing costs, painting aside, at 30 frames a second": (
            "law | grid | steps/s hidden | steps/s shown | cost | frames/s | bytes hidden | MB shown",
            lambda: showing(side // 2, 2 * seconds, 30.0),
        ),
        "Processor time of a picture, all threads, in ms": (
            "law | grid | field | made | painted",
            lambda: [picture_cost(*painted, side // 2, 3 if quick else 60) for painted in _PAINTED[: 1 if quick else None]],
        ),
        "Leaks": (
            "after | resident MiB | threads | widgets",
            lambda: leaks(2 if quick else 5000, 1 if quick else 200),
        ),
        "From the command to the first picture, s, in a new process": (
            "config | s",
            lambda: first_pictures(["quickstart"], 1, 0) if quick else first_pictures(["quickstart", "unet", "orbium"], 3),
        ),
    }
    lines = ["Offscreen, so that painting is done by the processor alone.", ""]
    for title, (header, measure) in sections.items():
        lines += [f"## {title}", "", *table(header, measure()), ""]
    return lines


def main() -> None:
    """Prints the tables, and writes them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a moment each: figures mean nothing")
    wanted = parser.parse_args()
    app = QApplication.instance() or QApplication([])
    publish("The viewer", report(wanted.quick), wanted.out)
    del app


if __name__ == "__main__":
    main()
