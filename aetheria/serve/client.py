"""A reader of a server, for programs: greets, chooses a view, and gives the pictures that come."""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from aetheria.core.errors import ConfigError
from aetheria.serve.allowance import BURST, MESSAGES, Allowance
from aetheria.serve.cells import CellBlock, cells_message, is_cells, read_cells
from aetheria.serve.protocol import (
    MAX_FRAME_BYTES,
    VERSION,
    Picture,
    ProtocolError,
    View,
    read_frame,
    read_text,
    text,
)

_TIMEOUT_S = 10.0
_RATE = 0.9 * MESSAGES  # a second: the network may bring them closer to each other
_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}


@dataclass(frozen=True)
class Refusal:
    """The line that says why something cannot be done, and the command that asked for it; empty for a view that failed."""

    message: str
    command: str = ""


@dataclass(frozen=True)
class Done:
    """The answer to a command that was carried out.

    Attributes:
        command: that asked.
        value: that it asked for, if any.
    """

    command: str
    value: float | None = None


@dataclass(frozen=True)
class Edits:
    """The edits of a run as lines of text, the oldest first."""

    lines: tuple[str, ...]


Message = Picture | CellBlock | Done | Edits | Refusal


class RemoteRun:
    """A run that a server shows; for one thread.

    Attributes:
        welcome: the server's description of the run.
        status: the last that came.
        ended: the run has ended.
    """

    def __init__(self, address: str, authority: ssl.SSLContext | None = None) -> None:
        """
        Args:
            address: as the server printed it: http://host:port/#token, or with ws, https or wss, or ?token=token.
            authority: the certificates to trust; None for those of the system.

        Raises:
            ConfigError: no such address, nobody there, or the server refuses: its own line.
        """
        where, token = _target(address)
        self._stack = ExitStack()  # websockets opens connections in a `with` block alone
        self._allowance = Allowance(_RATE, BURST / 2)
        self.status: Mapping[str, Any] = {}
        self.ended = False
        options: dict[str, Any] = {
            "compression": None,
            "proxy": None,
            "max_size": MAX_FRAME_BYTES,
            "open_timeout": _TIMEOUT_S,
            "close_timeout": 1,
        }
        if where.startswith("wss"):
            options["ssl"] = authority or ssl.create_default_context()
        try:
            self._connection: ClientConnection = self._stack.enter_context(connect(where, **options))
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"{where}: {reason}; expected the address that a server printed") from None
        try:
            self.send("hello", version=VERSION, token=token)
            self.welcome = self._welcome()
            if self.welcome["type"] != "welcome":
                raise ConfigError(f"{where}: {self.welcome.get('message', 'no welcome came')}")
        except BaseException:
            self.close()
            raise

    def _welcome(self) -> dict[str, Any]:
        try:
            return read_text(self._connection.recv(_TIMEOUT_S), "server")
        except TimeoutError:
            raise ProtocolError(f"server: said nothing in {_TIMEOUT_S:g} s; expected a welcome") from None
        except ConnectionClosed as error:
            raise ConfigError(f"server: {_reason(error)}") from None

    def send(self, kind: str, /, **values: Any) -> None:
        """Sends a message, as `send("pause", paused=True)`; waits where more were sent than the server takes.

        Raises:
            ConfigError: the connection is closed.
        """
        self._send(text(kind, **values))

    def _send(self, message: str | bytes) -> None:
        time.sleep(self._allowance.spend())
        try:
            self._connection.send(message)
        except ConnectionClosed as error:
            raise ConfigError(f"server: {_reason(error)}") from None

    def set_cells(self, block: CellBlock) -> None:
        """Asks for cells to be set. Raises ProtocolError for more than a message may hold; see `send`."""
        self._send(cells_message(block))

    def choose(self, view: View) -> None:
        """Asks for a view; pictures of it come after some of the last one."""
        values: dict[str, Any] = {"field": view.field, "size": view.size, "universe": view.universe}
        values |= {"slice": view.cut, "axis": view.axis, "region": view.region}
        self.send("view", **values, observables=list(view.observables))

    def pictures(self) -> Iterator[Picture]:
        """The pictures that come, until the run or the connection ends.

        Raises:
            ProtocolError: a message that is none of the protocol.
            ConfigError: the server broke off, or could not do what was asked.
        """
        while not self.ended:
            message = self.receive(None)
            if isinstance(message, Picture):
                yield message
            elif isinstance(message, Refusal):
                raise ConfigError(message.message)

    def receive(self, timeout: float | None) -> Message | None:
        """The next picture, cells that were read, or another answer; None for a status, and when nothing comes in time.

        Raises:
            ProtocolError: a message that is none of the protocol.
            ConfigError: the server broke off.
        """
        try:
            message = self._connection.recv(timeout)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise ConfigError(f"server: {_reason(error)}") from None
        if isinstance(message, bytes):
            return read_cells(message, MAX_FRAME_BYTES) if is_cells(message) else read_frame(message)
        values = read_text(message, "server")
        match values["type"]:
            case "status":
                self.status = values
            case "error":
                said = str(values.get("message", "")) or "server: an error without a message"
                return Refusal(said, str(values.get("command", "")))
            case "done" | "amplitude":
                return Done(str(values.get("command", values["type"])), values.get("value"))
            case "edits":
                return Edits(tuple(map(str, values.get("lines", ()))))
            case "ended":
                self.ended = True
        return None

    def close(self) -> None:
        """Ends the connection."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _target(address: str) -> tuple[str, str]:
    """The address of the socket, and the token."""
    try:
        parts = urlsplit(address)
        scheme, netloc = _SCHEMES.get(parts.scheme), parts.netloc
        token = parts.fragment or parse_qs(parts.query).get("token", [""])[0]
        _ = parts.port
    except ValueError:
        scheme, netloc, token = None, "", ""
    if scheme is None or not netloc:
        raise ConfigError(f"{address}: expected an address as a server printed it, http://host:port/#token")
    if not token:
        raise ConfigError(f"{address}: has no token; expected one, as in the address that the server printed")
    return f"{scheme}://{netloc}/ws", token


def _reason(error: ConnectionClosed) -> str:
    reason = error.rcvd.reason if error.rcvd is not None else ""
    return reason or "the connection is closed"
