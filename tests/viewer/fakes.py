"""A window that only remembers, and small sources."""

import time
from collections.abc import Callable
from typing import Any

import torch

from aetheria import Life
from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.controller import Controller
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource


class FakeView:
    """A `ViewInterface` that keeps what it was told."""

    def __init__(self) -> None:
        self.sources: list[FrameSource | None] = []
        self.frames: list[RenderedFrame] = []
        self.statuses: list[Status] = []
        self.messages: list[Message] = []
        self.waited_for: list[str] = []
        self.regions: list[Region] = []
        self.planes: list[Plane] = []
        self.zooms: list[float | None] = []
        self.centres: list[tuple[float, float]] = []

    def show_source(self, source: FrameSource | None) -> None:
        self.sources.append(source)

    def show_plane(self, plane: Plane) -> None:
        self.planes.append(plane)

    def show_frame(self, frame: RenderedFrame) -> None:
        self.frames.append(frame)

    def show_status(self, status: Status) -> None:
        self.statuses.append(status)

    def show_message(self, message: Message) -> None:
        self.messages.append(message)

    def show_waiting(self, what: str) -> None:
        self.waited_for.append(what)

    def show_region(self, region: Region) -> None:
        self.regions.append(region)

    def centre(self, y: float, x: float) -> None:
        self.centres.append((y, x))

    def zoom(self, factor: float | None) -> None:
        self.zooms.append(factor)


def life(height: int = 24, width: int = 32, **options: Any) -> Aetheria_Motor:
    """A soup, stepped eagerly."""
    return Aetheria_Motor(Life(), (height, width), 1, "cpu", {"plan": "eager"}, **options)


def live(motor: Aetheria_Motor | None = None, **options: Any) -> LiveSource:
    """A source on it."""
    torch.set_num_threads(1)
    return LiveSource(motor or life(), **options)


def wait_until(done: Callable[[], object], controller: Controller | None = None, seconds: float = 20.0) -> None:
    """Ticks until something is so; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "this took too long"
        if controller is not None:
            controller.tick()
        time.sleep(0.002)
