"""Steering of a served run: pause, steps, speed and restart, which are those of all its readers. No Qt."""

import math
from collections.abc import Callable

from aetheria.core.errors import ConfigError
from aetheria.serve.client import RemoteRun
from viewer.sources.requested_values import RequestedValues
from viewer.sources.source import Worker


class RemoteSteering(Worker):
    """Sends commands to a server from the worker thread.

    Attributes:
        commands: that the server takes.
        runs: the server lets its readers steer the run.
        stride: steps, or frames of a recording, per update.
        edit_lines: the edits that the server told last, as text.
    """

    def __init__(self, run: RemoteRun, name: str) -> None:
        self._run = run
        self.commands = frozenset(map(str, run.welcome["commands"]))
        self.runs = "pause" in self.commands
        self.edit_lines: tuple[str, ...] = ()
        self.stride = 1
        self._requested = RequestedValues()
        super().__init__(name)

    def play(self, playing: bool) -> None:
        if self.runs:
            self._send(lambda run: run.send("pause", paused=not playing), "play")

    def advance_updates(self, updates: int) -> None:
        steps = updates * self.stride
        if self.runs and steps:
            self._send(lambda run: run.send("step", steps=steps))

    def go_to(self, step: int) -> None:
        """Steps on to `step`; restarts the run for all readers first if that is in the past, or the start."""
        ahead = step - int(self._run.status.get("step", 0))
        if ahead > 0 and self.runs:
            self._send(lambda run: run.send("step", steps=ahead))
        elif ahead < 0 or not step:
            self._restart(step)

    def _restart(self, step: int) -> None:
        if "restart" not in self.commands:
            self.report_error(ConfigError("This server cannot take its run back to the start."))
            return
        wanted = {"step": step} if step else {}  # a run that goes on from a saved state has another first step
        self._send(lambda run: run.send("restart", **wanted))

    @property
    def edits_made(self) -> int:
        """Grows with every edit."""
        return int(self._run.status.get("edits", -1))

    def ask_for_edits(self) -> None:
        """Asks for the list of edits, of a server that has one."""
        if "edits" in self.commands:
            self._send(lambda run: run.send("edits"), "edits")

    def set_speed(self, speed: float | None, stride: int) -> None:
        """Asks for a speed for all readers, where it is another one than the server's."""
        self.stride = stride
        wanted = None if speed is None else speed * stride
        if self.runs and not _same(wanted, self.shared_speed):
            self._requested.add(speed=wanted)
            self._send(lambda run: run.send("speed", speed=wanted), "speed")

    @property
    def speed_known(self) -> bool:
        """The server has told its speed."""
        return "speed" in self._run.status

    @property
    def shared_speed(self) -> float | None:
        """Steps, or frames of a recording, a second; None for no limit."""
        speed: float | None = self._requested.value("speed", self._run.status.get("speed"))
        return speed

    def _send(self, job: Callable[[RemoteRun], None], name: str = "") -> None:
        """Sends from the worker thread; what cannot be sent is dropped: the receiver says that the server is gone."""

        def send() -> None:
            try:
                job(self._run)
            except ConfigError:
                return

        self.submit(send, name=name)


def _same(speed: float | None, other: float | None) -> bool:
    """Whether two speeds are equal, but for rounding."""
    return speed == other if speed is None or other is None else math.isclose(speed, other)
