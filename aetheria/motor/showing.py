"""Showing a motor: live in a notebook, and to browsers, terminals and windows on other machines.

The packages that do so are above this one and know motors; they are imported by name when they are asked for.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from aetheria.motor.reading import MotorReader
from aetheria.motor.split_calls import on_leader


class ShownMotor(MotorReader):
    """A motor that can be read and shown."""

    @on_leader
    def show(
        self,
        field: str | None = None,
        *,
        z: int | str | None = None,
        universe: int = 0,
        size: int = 512,
        speed: float | None = 30.0,
        play: bool = False,
    ) -> Any:
        """A live picture for a notebook, with play, step, speed and fields: the value of a cell's last line is shown.

        It steps the motor in a thread of its own while it plays; other code may step it while it is paused, and edit it at
        any time. Pictures are made only while the view is seen. For a window on the desktop see `viewer.show`.

        Args:
            field: shown first; None for the law's default.
            z: layer of a grid with three axes, or "mean" or "max" along z; None for the middle one.
            universe: shown first.
            size: pixels along the longer side, at the most 1024.
            speed: steps a second at the most; None for no limit.
            play: go on when the view is first seen.

        Raises:
            ConfigError: anywidget (extra `notebook`) is not installed, or there is no such picture.
        """
        inline: Any = import_module("aetheria.inline.show")
        return inline.show(self, field, z=z, universe=universe, size=size, speed=speed, play=play)

    @on_leader
    def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        read_only: bool = False,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        steering: Any = None,
        title: str = "",
    ) -> Any:
        """Shows the run to browsers, terminals and `aetheria view` while this code steps it; see `docs/remote.md`.

        An error in the server is logged and ends the server, never the run. `close` it, or use it in a `with` block.

            with motor.serve() as server:
                print(server.address)
                motor.step(100_000)

        Args:
            host: address to listen on; one that other machines reach needs TLS.
            port: 0 for a free one.
            read_only: readers may look, and choose a view.
            certificate, key: PEM files for TLS.
            steering: an `aetheria.runs.steering.Steering` that steps the motor, for readers to pause and slow it.
            title: that readers see; the law's name when empty.

        Returns:
            An `aetheria.serve.server.Server`: `address` of the page, `url` for programs, `token`, `close()`.

        Raises:
            ConfigError: the address cannot be listened on, or websockets (extra `serve`) is not installed.
        """
        access: Any = import_module("aetheria.serve.access")
        access.check_websockets()
        pem = [None if path is None else Path(path) for path in (certificate, key)]
        rights = access.Access(host, port, read_only, *pem)
        return import_module("aetheria.serve.server").serve_motor(self, access=rights, steering=steering, title=title)
