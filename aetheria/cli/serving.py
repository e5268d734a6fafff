"""Options of commands that serve a run, and the server beside the run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetheria.cli.shared import out, plain
from aetheria.core.errors import ConfigError

if TYPE_CHECKING:
    from aetheria.motor.motor import Aetheria_Motor
    from aetheria.serve.access import Access
    from aetheria.serve.server import Server

Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on, with TLS unless it is of the loopback, 127.0.0.1.")
]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on, 8765 by default; 0 for a free one.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Readers may look only.")]
Certificate = Annotated[Path | None, typer.Option("--tls-cert", metavar="CERT.pem", help="Certificate for TLS.")]
Key = Annotated[Path | None, typer.Option("--tls-key", metavar="KEY.pem", help="Its key.")]


def read_access(host: str | None, port: int | None, read_only: bool, certificate: Path | None, key: Path | None) -> "Access":
    """The address and rights that the options state.

    Raises:
        ConfigError: they contradict each other, or the extra is not installed.
    """
    from aetheria.serve.access import Access, check_websockets

    check_websockets()

    given: dict[str, Any] = {"host": host, "port": port}
    options = {name: value for name, value in given.items() if value is not None}
    return Access(**options, read_only=read_only, certificate=certificate, key=key)


def check_unserved(host: str | None, port: int | None, read_only: bool, certificate: Path | None, key: Path | None) -> None:
    """Raises ConfigError for an option of a server that is not asked for."""
    given = {"--host": host, "--port": port, "--read-only": read_only or None, "--tls-cert": certificate, "--tls-key": key}
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"{name}: given without --serve; expected both")


@contextmanager
def served(access: "Access | None", options: dict[str, Any]) -> Iterator[None]:
    """Serves the run of the block as soon as its motor is there; `options` are those of `aetheria.runs.run.run`."""
    if access is None:
        yield
        return
    from aetheria.runs.steering import Steering
    from aetheria.serve.server import serve_motor

    started: Callable[[Aetheria_Motor], None] = options["started"]
    options["steering"] = steering = Steering()
    with ExitStack() as open_servers:

        def serve(motor: "Aetheria_Motor") -> None:
            started(motor)
            print_address(open_servers.enter_context(serve_motor(motor, access=access, steering=steering)))

        options["started"] = serve
        yield


def print_address(server: "Server") -> None:
    """Prints where the run can be seen: also with --quiet, for nobody can know the token otherwise."""
    out.print(f"open this page, or watch it with aetheria watch: {plain(server.address)}")
