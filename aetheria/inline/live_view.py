"""The live view of a motor in a notebook: a widget of anywidget around a player."""

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget

from aetheria.core.printable import printable
from aetheria.inline.player import Player
from aetheria.motor.motor import Aetheria_Motor
from aetheria.serve.protocol import View


class LiveView(anywidget.AnyWidget):
    """A picture of a motor's cells with play, step, speed and a choice of fields, as the value of a notebook's cell."""

    _esm = Path(__file__).with_name("live_view.js")
    _css = Path(__file__).with_name("live_view.css")

    _player: Player | None = None

    def __init__(self, motor: Aetheria_Motor, view: View, speed: float | None, play: bool) -> None:
        """Arguments and errors are those of `Player`."""
        self._player = player = Player(motor, view, self._pass_on, speed, play)
        self._motor = motor
        super().__init__()
        self.on_msg(lambda _, content, __: player.take(content))
        weakref.finalize(self, player.close)  # where Python ends, too

    def close(self) -> None:
        """Ends the view; the motor stands still, and is as it is."""
        if self._player is not None:  # none was made: a widget is closed when it is dropped, too
            self._player.close()
        super().close()

    def __repr__(self) -> str:
        return printable(f"<LiveView of {self._motor!r}>")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        shown = super()._repr_mimebundle_(**kwargs)
        # Where the notebook is read without a kernel: the motor as it was.
        return shown and ({**shown[0], "text/html": self._motor._repr_html_()}, *shown[1:])

    def _pass_on(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(message, buffers)
