"""The server: a thread of its own, which listens, hands out the page, and speaks with readers. The run never waits for it."""

import asyncio
import errno
import http
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from aetheria.core.errors import ConfigError
from aetheria.core.printable import get_logger
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.steering import Steering
from aetheria.serve.access import Access
from aetheria.serve.admission import Admission
from aetheria.serve.connection import Connection, Reader
from aetheria.serve.hub import Channel, Hub
from aetheria.serve.live import LiveSource
from aetheria.serve.page import page_file
from aetheria.serve.protocol import MAX_MESSAGE_BYTES, text
from aetheria.serve.source import Source

log = get_logger(__name__)
MAX_READERS = 64
_MAX_SOCKETS = 2 * MAX_READERS  # connections that are open, with those of which nothing has come: each takes a descriptor
_QUIET = get_logger(f"{__name__}.websockets")  # it reports each stranger who sends garbage
_QUIET.disabled = True
_START_S, _STOP_S = 10.0, 5.0
_SILENT_S = 60.0  # after which a reader that does not answer a ping is gone
_STATUS_S = 0.25  # seconds between two looks at the status, which is sent when it is another
_PATH = "/ws"


class Server:
    """Serves a source until it is closed. An error in it is logged, and ends the server alone.

    Attributes:
        access: address and rights.
        port: on which it listens.
        source: that it serves.
    """

    def __init__(self, source: Source, access: Access | None = None) -> None:
        """
        Raises:
            ConfigError: the address cannot be listened on, or the files for TLS cannot be read.
        """
        self.source, self.access = source, access or Access()
        self.port = self.access.port
        self._tls = self.access.tls()
        self._readers: dict[Connection, Reader] = {}
        self._sockets: set[Connection] = set()  # also those that have sent nothing yet
        self._sent = 0  # bytes of frames, to readers that are gone
        self._failure: OSError | None = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._hub = Hub(source, self._changed)
        self._admission = Admission(source.budget, lambda: source.waits)
        self._thread = threading.Thread(target=self._work, name="serve", daemon=True)
        self._thread.start()
        self._ready.wait(_START_S)
        if self._failure is not None:
            raise ConfigError(self._not_listening(self._failure)) from None

    @property
    def address(self) -> str:
        """The address of the page, with the token."""
        return f"{'http' if self._tls is None else 'https'}://{self._place}/#{self.access.token}"

    @property
    def url(self) -> str:
        """The address for `aetheria view` and other programs, with the token."""
        return f"{'ws' if self._tls is None else 'wss'}://{self._place}?token={self.access.token}"

    @property
    def token(self) -> str:
        """What readers must know."""
        return self.access.token

    @property
    def _place(self) -> str:
        host = f"[{self.access.host}]" if ":" in self.access.host else self.access.host
        return f"{host}:{self.port}"

    @property
    def readers(self) -> int:
        """Number of readers that said hello."""
        return sum(reader.channel is not None for reader in list(self._readers.values()))

    @property
    def sent_bytes(self) -> int:
        """Bytes of frames sent so far."""
        return self._sent + sum(reader.sent_bytes for reader in list(self._readers.values()))

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Tells the readers that the run has ended, and stops listening."""
        self.source.close()
        if self._thread.is_alive():
            self._call(self._stop.set)
            self._thread.join(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- in the thread of the server -----------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._listen())
        except OSError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - a server that dies must not end the run
            log.warning("serve: %s: %s; the server has ended, the run goes on", type(error).__name__, error)
        finally:
            self._ready.set()
            for channel in self._hub.close():
                channel.join(_STOP_S)
            self._loop.close()

    async def _listen(self) -> None:
        options: dict[str, Any] = {
            "max_size": MAX_MESSAGE_BYTES,
            "max_queue": 4,
            "compression": None,
            "server_header": None,
            "open_timeout": _START_S,
            "close_timeout": 1,
            "ping_timeout": _SILENT_S,
            "create_connection": partial(Connection, self._sockets, _MAX_SOCKETS),
        }
        async with serve(
            self._serve_reader,
            self.access.host,
            self.access.port,
            process_request=self._answer,
            ssl=self._tls,
            logger=_QUIET,
            **options,
        ) as listener:
            self.port = _port_of(listener)
            self._ready.set()
            while not self._stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _STATUS_S)
                self._tell_status()
            await self._say_goodbye()

    def _tell_status(self) -> None:
        if self._readers:
            status = self.source.status()
            for reader in self._readers.values():
                reader.tell(status)
        self._admission.charge()

    async def _say_goodbye(self) -> None:
        for connection in list(self._readers):
            try:
                await asyncio.wait_for(connection.send(text("ended", **self.source.status())), 0.5)
            except Exception:  # noqa: BLE001, S112 - it is gone, or does not read
                continue

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file of the page, a refusal, or None for a reader; waits in line where strangers take too much time."""
        await self._admission.admit()
        path = request.path.partition("?")[0]
        if (file := page_file(path)) is not None:
            return _response(http.HTTPStatus.OK, *file)
        if path != _PATH:
            return _response(http.HTTPStatus.NOT_FOUND, b"not here\n")
        if len(self._readers) >= MAX_READERS:
            return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, b"too many readers\n")
        return None

    async def _serve_reader(self, connection: Connection) -> None:
        reader = self._readers[connection] = Reader(connection, self.source, self._hub, self.access, self._admission)
        try:
            await reader.serve()
        except Exception as error:  # noqa: BLE001 - it ends this reader alone
            log.warning("serve: reader: %s: %s; the others and the run go on", type(error).__name__, error)
        finally:
            self._sent += reader.sent_bytes
            del self._readers[connection]

    # -- from other threads --------------------------------------------------------------------------------------

    def _changed(self, channel: Channel) -> None:
        """A channel has another frame; called in its thread."""
        self._call(lambda: self._wake(channel))

    def _wake(self, channel: Channel) -> None:
        for reader in self._readers.values():
            if reader.channel is channel:
                reader.show()
        self._admission.charge()

    def _call(self, work: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:  # the server has ended
            return

    def _not_listening(self, error: OSError) -> str:
        where = f"{self.access.host}:{self.access.port}"
        if error.errno == errno.EADDRINUSE:
            return f"serve: {where} is in use by another program; expected a free port, as with --port 0"
        return f"serve: {where}: {error.strerror or error}; expected an address of this machine"


def serve_motor(
    motor: Aetheria_Motor, *, access: Access | None = None, steering: Steering | None = None, title: str = ""
) -> Server:
    """Serves a motor that this program steps, to browsers and terminals, until the server is closed.

        steering = Steering()
        with serve_motor(motor, steering=steering) as server:
            print(server.address)
            steering.step(motor, 100_000)  # as motor.step, but readers may pause it

    Args:
        steering: the one that steps the motor; None: readers only look.
        access: address, rights and token; the loopback, port 8765, when left out.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    return Server(LiveSource(motor, steering, title), access)


def _port_of(listener: Listener) -> int:
    return int(next(iter(listener.sockets)).getsockname()[1])


def _response(status: http.HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> Response:
    lines = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {"Content-Type": "text/plain"})}
    return Response(status.value, status.phrase, Headers(lines), body)
