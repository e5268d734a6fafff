"""A served run as a source of frames: one thread receives, another sends. No Qt."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.laws.base import Law
from aetheria.laws.controls import Value
from aetheria.serve.cells import CellBlock
from aetheria.serve.client import Done, Edits, Message, Refusal, RemoteRun
from aetheria.serve.protocol import MAX_OBSERVABLES, Picture
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.palette import first_view_settings
from viewer.model.plane import Plane, plane_of
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.time_series import Measurement
from viewer.model.view_settings import FrameRequest
from viewer.sources.newest_frame import NewestFrame
from viewer.sources.remote_cells import Answer, Answers, RemoteCells
from viewer.sources.remote_frames import RemoteFrames, RemoteGrid, RemoteRows
from viewer.sources.remote_messages import choices_of, control_of, measurement_of, view_of
from viewer.sources.remote_sampling import RemoteSampler
from viewer.sources.remote_steering import RemoteSteering
from viewer.sources.samples import SampleRequest, numbers_only
from viewer.sources.served_law import ServedLaw
from viewer.sources.source import RateMeter, close_at_exit

_RETRY_S = 2.0  # between two attempts to reach a server that is gone
_WAIT_S = 0.25
_KEPT = 256  # measurements that wait for a busy window


class RemoteSource(RemoteSteering):
    """A run that a server shows, as far as the server allows: pause, step, speed, parameters, edits.

    Levels and colours are found here, from pictures of bytes: a value is known to a part in 255 of the server's levels.

    Attributes:
        controls: parameters of the law.
        values: of these, as the server told them last.
        law_name: as the server calls the law.
        law, cells: for tools that change cells; see `EditableSource`.
        not_edited: why they cannot be changed; empty where they can.
        measurements: observables that came with pictures, and were not taken yet.
    """

    live = True
    elsewhere = True
    starts = False  # it is not for a window that opens to let a run go on that others have paused

    def __init__(self, address: str, run: RemoteRun) -> None:
        """
        Args:
            address: as the server printed it; see `RemoteRun`.
            run: a connection to it, which the source closes.
        """
        self._address = address
        welcome = run.welcome
        self.place = urlsplit(address).netloc
        self.title = f"{welcome['title']} ({self.place})"
        self.law_name = str(welcome["law"])
        self.plane, self.universes = plane_of(tuple(welcome["grid"])), int(welcome["universes"])
        self.fields = choices_of(welcome)
        self.observables = tuple(map(str, welcome["observables"]))
        self.measurements: deque[Measurement] = deque(maxlen=_KEPT)
        self._observed: tuple[str, ...] = ()
        self.first_view_settings = first_view_settings(self.fields, self.plane, None)
        controls = tuple(map(control_of, welcome["controls"]))
        choices = {choice.name: choice for choice in self.fields}
        self._frames: RemoteFrames = RemoteRows(self.plane, choices) if self.plane.space_time else RemoteGrid(choices)
        self.samples = self._frames.samples
        self._request: FrameRequest | None = None
        self._newest = NewestFrame()
        self._answers = Answers()
        self._step_told = 0
        self._bytes = 0
        self._steps, self._shown, self._received = RateMeter(), RateMeter(), RateMeter()
        self._ended = threading.Event()
        super().__init__(run, "remote source")
        self.controls = controls if "control" in self.commands else ()
        self.law: Law = Law()
        self.not_edited = self._tools(welcome)
        self.cells = RemoteCells(lambda: self._run, self._answers, self.universes)
        self._receiver = threading.Thread(target=self._receive, name="remote frames", daemon=True)
        self._receiver.start()
        close_at_exit(self)

    def _tools(self, welcome: Mapping[str, Any]) -> str:
        """Learns the law, for the tools; returns why they cannot change cells, nothing where they can."""
        if welcome["kind"] == "recording":
            return "only live runs can be painted"
        if not {"read", "cells"} <= self.commands:
            return "the server only shows the run (--read-only)"
        try:
            self.law = ServedLaw(welcome, lambda: str(self.values.get("rule", "")))
        except (KeyError, TypeError, ValueError):
            return "the server is of another version, which does not tell what a cell may hold"
        return ""

    @property
    def values(self) -> Mapping[str, Value]:
        return self._run.status.get("controls", {})

    # -- frames -------------------------------------------------------------------------------------------------

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        before, self._request = self._request, frame_request
        if frame_request is None or before == frame_request:
            return
        if frame_request.view_settings.mix is not None:
            self.report_error(ConfigError("A served run is shown by one field at a time."))
            return
        if before is None or view_of(before, self.plane) != view_of(frame_request, self.plane):
            self._choose()
        self.submit(self._draw, name="draw")

    def observe(self, names: Sequence[str]) -> None:
        """Asks for observables of the universe in view, the first four, with each picture from now on."""
        wanted = tuple(name for name in names if name in self.observables)[:MAX_OBSERVABLES]
        if wanted != self._observed:
            self._observed = wanted
            self._choose()

    def _choose(self) -> None:
        def choose(run: RemoteRun) -> None:
            if self._request is not None:
                run.choose(replace(view_of(self._request, self.plane), observables=self._observed))

        self._send(choose, "view")

    def next_frame(self) -> RenderedFrame | None:
        return self._newest.take()

    def _draw(self) -> None:
        """Renders the newest picture, for its part of the present request."""
        request = self._request
        if request is None or request.view_settings.mix is not None:
            return
        frame = self._frames.render(request, moving=not self._run.status.get("paused", False))
        if frame is not None:
            self._newest.put(frame)

    def sampler(self, request: SampleRequest) -> RemoteSampler:
        """Samples through a connection of its own; see `samples.Sampler`."""
        return RemoteSampler(self._address, self.plane, request, numbers_only(self, request))

    # -- cells --------------------------------------------------------------------------------------------------

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        request = self._request
        if request is None:
            return
        plane = replace(self.plane, slice=request.view_settings.slice)
        if plane.space_time and y < plane.present.top:
            self.submit(
                lambda: self._frames.past_cell(y, x, universe), lambda cell: None if cell is None else then(cell), "inspect"
            )
        elif "read" in self.commands and plane.paintable:
            self._read_cell(plane, y, x, universe, then)

    def _read_cell(self, plane: Plane, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        block, d = plane.block(Region(y, x, 1, 1)), self._run.welcome.get("d_state")

        def found(answer: Answer) -> None:
            if isinstance(answer, CellBlock):
                channels = answer.values.astype(np.float64).reshape(-1)
                cell = CellValues(answer.step or 0, y, x, universe, channels, d, {})
                self.submit(lambda: cell, then)

        def read(run: RemoteRun) -> None:
            if not self._answers:  # of several the newest is answered, once the last answer is there
                self._answers.wait(found)
                run.send("read", at=block.corner, size=block.size, universe=universe)

        self._send(read, "inspect")

    def refresh(self, restarted: bool = False) -> None:
        """Does nothing: the server shows changed cells at once."""

    def invalidate_levels(self) -> None:
        """Does nothing: levels are found from each picture."""

    # -- running ------------------------------------------------------------------------------------------------

    def set_control(self, name: str, value: Value) -> None:
        """Asks for another value of a parameter; a refusal is reported."""
        self._send(lambda run: run.send("control", name=name, value=value), f"control {name}")

    def status(self) -> Status:
        told = self._run.status
        step, speed = int(told.get("step", 0)), self._steps(int(told.get("step", 0)))
        return Status(
            step=step,
            playing=not (told.get("paused", False) or self._run.ended) if self.runs else speed > 0,
            steps_per_s=speed,
            cells_per_s=speed * self.universes * float(np.prod(self.plane.shape)),
            frames_per_s=self._shown(self._newest.taken),
            dropped=self._newest.dropped,
            device=self.place,
            plan="ended" if self._run.ended else "served",
            plan_reason="stepped by the server" if "control" in self.commands else "the server only shows the run",
            bytes_per_s=self._received(self._bytes),
        )

    def close(self) -> None:
        self._ended.set()
        self._answers.lose("closed")
        super().close()

    def on_exit(self) -> None:
        """Ends the connection."""
        self._run.close()

    # -- threads ------------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        while not self._ended.is_set():
            try:
                self._take(self._run.receive(_WAIT_S))
            except AetheriaError as error:
                if not self._ended.is_set():
                    self.report_error(error)
                    self._return()
            if self._run.ended and not self._ended.is_set():
                self.report_error(ConfigError(f"{self.place}: the run has ended; the last picture stays."))
                return

    def _take(self, message: Message | None) -> None:
        if isinstance(message, Picture):
            self._bytes += len(message.pixels)
            self._frames.add(message)
            if message.observables:
                self.measurements.append(measurement_of(message, self.universes))
            self.submit(self._draw, name="draw")
        elif isinstance(message, Edits):
            self.edit_lines = message.lines
        elif isinstance(message, Done) and message.command == "restart":
            self._begin_anew()
        elif message is None:
            if int(self._run.status.get("step", 0)) < self._step_told and self.live:
                self._begin_anew()  # another reader took the run back
            self._step_told = int(self._run.status.get("step", 0))
        elif not self._answers.give(message) and isinstance(message, Refusal):
            self.report_error(ConfigError(message.message))

    def _begin_anew(self) -> None:
        self._step_told = 0
        self.report_restart()

    def _return(self) -> None:
        """Connects again as soon as the server is there; the view is the one before."""
        self._answers.lose(f"{self.place}: the connection broke; the cells may not have been changed")
        while not self._ended.wait(_RETRY_S):
            try:
                run = RemoteRun(self._address)
            except ConfigError:
                continue
            if (run.welcome["grid"], run.welcome["law"]) != (self._run.welcome["grid"], self._run.welcome["law"]):
                run.close()
                self.report_error(ConfigError(f"{self.place}: another run is served there now; open it anew."))
                self._ended.set()
                return
            before, self._run = self._run, run
            before.close()
            self._choose()
            return
