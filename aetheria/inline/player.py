"""A motor for viewers in a notebook: steps it as they wish, and sends pictures while one of them looks."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from aetheria.core.errors import AetheriaError, ConfigError, nearest
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.steering import Steering
from aetheria.serve.live import STEERED, LiveSource
from aetheria.serve.protocol import View, frame_bytes, one_line, read_view

Send = Callable[[Mapping[str, Any], list[bytes]], None]
_UNANSWERED_S = 1.0  # after which a picture is followed by the next: a kernel that runs a cell may hear no answer till its end
_MANY = 1 << 40  # steps
_MESSAGES = ("hello", "ready", "hidden", "gone", "view", *STEERED)


class Player:
    """Takes the messages of viewers, which are those of a server's readers with these besides, each with a "viewer":

    "hello" begins, "ready" asks for the next picture, "hidden" wants none for now, "gone" ends. The motor stands still until
    a viewer lets it go on, and again when the last one is gone. No picture is made while no viewer looks.
    """

    def __init__(self, motor: Aetheria_Motor, view: View, send: Send, speed: float | None, play: bool) -> None:
        """
        Args:
            view: shown first.
            send: passes a message with its buffers to all viewers; a frame is one buffer. Called by several threads.
            speed: steps a second at the most; None for no limit.
            play: go on when the first viewer comes.

        Raises:
            ConfigError: a view that the motor does not have, or a speed that is not above 0.
        """
        self._motor, self._view, self._send, self._play = motor, view, send, play
        self._steering = Steering()
        self._steering.pause(True)
        self._steering.limit(speed)
        self._source = LiveSource(motor, self._steering)
        self._source.info.check(view)
        self._viewers: set[object] = set()
        self._looking: set[object] = set()
        self._wanted = threading.Event()  # a viewer looks, or the player is closed
        self._drawn = threading.Event()  # a viewer has drawn the last picture
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Does what a message asks for; what is wrong with it is told to the viewers."""
        try:
            self._obey(message)
        except AetheriaError as error:
            self._tell("error", message=one_line(error))

    def close(self) -> None:
        """Ends steps and pictures."""
        self._closed.set()
        for event in (self._wanted, self._drawn):
            event.set()
        for thread in self._threads.values():
            if thread is not threading.current_thread():
                thread.join()

    def _obey(self, message: Mapping[str, Any]) -> None:
        kind, viewer = message.get("type"), message.get("viewer")
        match kind:
            case "hello":
                self._welcome(viewer)
            case "ready":
                self._drawn.set()
                self._look(viewer)
            case "hidden" | "gone":
                self._look_away(viewer, gone=kind == "gone")
            case "view":
                view = read_view({name: value for name, value in message.items() if name != "viewer"})
                self._source.info.check(view)
                self._view = view
                self._drawn.set()
                self._look(viewer)
            case _ if kind in STEERED:
                self._source.obey(str(kind), message)
                self._run("steps", self._steps)
                self._tell_status()
            case _:
                raise ConfigError(f'message: type "{kind}"; {nearest(str(kind), list(_MESSAGES))}')

    def _welcome(self, viewer: object) -> None:
        self._viewers.add(viewer)
        view = self._view
        chosen = {"field": self._source.info.field(view.field).name, "slice": view.cut, "universe": view.universe}
        self._tell("welcome", **self._source.info.as_values(), view=chosen, size=view.size)
        if self._play:
            self._play = False
            self._obey({"type": "pause", "paused": False})
        self._tell_status()
        self._look(viewer)

    def _look(self, viewer: object) -> None:
        self._looking.add(viewer)
        self._wanted.set()
        self._run("pictures", self._pictures)

    def _look_away(self, viewer: object, gone: bool) -> None:
        self._looking.discard(viewer)
        if not self._looking and not self._closed.is_set():
            self._wanted.clear()
        if gone:
            self._viewers.discard(viewer)
            if not self._viewers:
                self._steering.pause(True)

    # -- threads -------------------------------------------------------------------------------------------------

    def _run(self, name: str, work: Callable[[], None]) -> None:
        """Starts a thread, unless it is there."""
        with self._starting:
            thread = self._threads.get(name)
            if not self._closed.is_set() and (thread is None or not thread.is_alive()):
                self._threads[name] = thread = threading.Thread(target=work, name=f"notebook {name}", daemon=True)
                thread.start()

    def _steps(self) -> None:
        try:
            self._steering.step(self._motor, _MANY, self._closed.is_set)
        except Exception as error:  # noqa: BLE001 - of the law, too: told where the steps are watched
            self._steering.pause(True)
            self._tell_error(error)
            self._tell_status()

    def _pictures(self) -> None:
        while not self._closed.is_set():
            try:
                self._show(self._view)
            except Exception as error:  # noqa: BLE001 - of a field: told in its place, until another is chosen
                self._wanted.clear()
                self._tell_error(error)
            self._wanted.wait()

    def _show(self, view: View) -> None:
        """Sends pictures of a view until another is wanted, or none."""

        def ended() -> bool:
            return self._closed.is_set() or self._view is not view or not self._wanted.is_set()

        for picture in self._source.pictures(view, ended, self._source.budget):
            if picture is not None and not ended():
                self._drawn.clear()
                self._send({"type": "frame"}, [frame_bytes(picture)])
                self._drawn.wait(_UNANSWERED_S)

    # -- messages ------------------------------------------------------------------------------------------------

    def _tell(self, kind: str, /, **values: Any) -> None:
        self._send({"type": kind, **values}, [])

    def _tell_status(self) -> None:
        self._tell("status", **self._source.status())

    def _tell_error(self, error: Exception) -> None:
        told = one_line(error) if isinstance(error, AetheriaError) else f"{type(error).__name__}: {error}".partition("\n")[0]
        self._tell("error", message=told)
