"""Served motors, and controllers and windows that look at them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from aetheria import Aetheria_Motor
from aetheria.laws import build_law
from aetheria.laws.base import Law
from aetheria.runs.steering import Steering
from aetheria.serve.server import Server
from tests.viewer.fakes import FakeView
from viewer.controllers.controller import Controller
from viewer.sources.opening import open_any


def motor_of(law: str | Law = "Life", grid: tuple[int, ...] = (24, 32), **options: Any) -> Aetheria_Motor:
    """A motor that is stepped eagerly."""
    stepped = build_law(law) if isinstance(law, str) else law
    return Aetheria_Motor(stepped, grid, device="cpu", cfg={"plan": "eager"}, **{"initial": "noise", **options})


@contextlib.contextmanager
def served(motor: Aetheria_Motor, **options: Any) -> Iterator[tuple[Server, Steering]]:
    """A motor that another thread steps, paused at first."""
    steering, stop = Steering(), threading.Event()
    steering.pause(True)
    thread = threading.Thread(target=steering.step, args=(motor, 10**9, stop.is_set))
    with motor.serve(port=0, steering=steering, **options) as server:
        thread.start()
        try:
            yield server, steering
        finally:
            stop.set()
            thread.join()


@contextlib.contextmanager
def window_on(address: str) -> Iterator[tuple[Controller, FakeView]]:
    """A controller without a window, on a server or a file."""
    view = FakeView()
    controller = Controller(view)
    controller.open(open_any(address))
    try:
        yield controller, view
    finally:
        controller.close()


def until(controller: Controller, condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Ticks until something is so; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        controller.tick()
        time.sleep(0.01)
