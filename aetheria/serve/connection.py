"""One reader of a server: greeting, frames as fast as the reader takes them, and commands as often as they are allowed."""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from aetheria.core.errors import AetheriaError
from aetheria.serve.access import Access
from aetheria.serve.admission import NEW_S, Admission
from aetheria.serve.allowance import MESSAGES, Allowance
from aetheria.serve.budget import Budget
from aetheria.serve.cells import read_cells
from aetheria.serve.hub import Channel, Hub
from aetheria.serve.protocol import (
    MAX_TEXT_BYTES,
    VERSION,
    ProtocolError,
    View,
    one_line,
    read_text,
    read_view,
    text,
)
from aetheria.serve.source import LOOKING, Source
from aetheria.serve.wire import wire_form

_NAP_S = 0.25
_HELLO_S = 5.0  # in which a reader must have said who it is
_SHARE = 0.02  # of the time, that the commands of one reader may take of a run that goes on
_BUFFER = 1 << 18  # bytes on their way to a reader
_REFUSED = 1008  # code of closing for a broken rule, RFC 6455


class Connection(ServerConnection):  # type: ignore[misc]  # the same with websockets installed and without
    """A connection that tells when everything sent is on its way, and is cut at once where too many are open.

    Attributes:
        drained: called when the last byte is out of our buffer, after `busy`.
    """

    def __init__(self, sockets: "set[Connection]", most: int, *args: Any, **options: Any) -> None:
        """
        Args:
            sockets: the open ones.
            most: of them at a time.
        """
        # Not 0: asyncio's TLS then stops a writer whose buffer is empty, until the next ping.
        super().__init__(*args, **{**options, "write_limit": 1})
        self.drained: Callable[[], None] = lambda: None
        self._sockets, self._most = sockets, most

    @property
    def busy(self) -> bool:
        """Whether bytes wait for a reader that takes no more for now."""
        return bool(self.paused)

    def write(self, wire: bytes) -> None:
        """Sends a message in its `wire_form`, without waiting; nothing to a connection that is being closed."""
        if self.state is State.OPEN:
            self.transport.write(wire)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.drained()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # What a slow reader has not taken yet is old: the system keeps little of it.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._sockets.add(self)
        if len(self._sockets) > self._most:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sockets.discard(self)
        super().connection_lost(exc)


class Reader:
    """A connection, from its greeting to its end.

    Attributes:
        channel: of the view that it has chosen; None before the greeting.
        sent_bytes: of frames.
        sent_frames: their number.
    """

    def __init__(self, connection: Connection, source: Source, hub: Hub, access: Access, admission: Admission) -> None:
        self.sent_bytes = self.sent_frames = 0
        self.channel: Channel | None = None
        self._connection, self._source, self._hub, self._access = connection, source, hub, access
        self._admission, self._own, self._came = admission, Budget(_SHARE), time.monotonic()
        self._allowance = Allowance()
        self._shown: tuple[Channel | None, int] = None, 0
        self._told: Mapping[str, Any] = {}

    async def serve(self) -> None:
        """Speaks with the reader until one of the two ends the connection."""
        try:
            await self._greet()
            self.channel = self._hub.join(View())
            self._connection.drained = self.show
            self.tell(self._source.status())
            self.show()
            await self._read_commands()
        except ConnectionClosed:
            pass
        except AetheriaError as error:
            await self._refuse(one_line(error))
        finally:
            if self.channel is not None:
                self._hub.leave(self.channel)

    def show(self) -> None:
        """Sends the newest frame, unless the last one is still on its way: a slow reader gets fewer."""
        channel = self.channel
        if channel is None or self._connection.busy:
            return
        with self._admission.sending(channel.budget):
            if (channel, channel.number) != self._shown:
                self._shown = channel, channel.number
                self._send_newest(channel)
            if not self._connection.busy:
                channel.want()

    def _send_newest(self, channel: Channel) -> None:
        if channel.error:
            self._connection.write(wire_form(text("error", message=channel.error)))
        elif channel.frame is not None:
            self._connection.write(channel.frame)
            self.sent_frames += 1
            self.sent_bytes += len(channel.frame)

    def tell(self, status: Mapping[str, Any]) -> None:
        """Sends the status, where it is another than the last one."""
        if self.channel is not None and status != self._told and not self._connection.busy:
            self._told = status
            with self._admission.sending(self._source.budget):
                self._connection.write(wire_form(text("status", **status, sent_bytes=self.sent_bytes)))

    async def _greet(self) -> None:
        """Raises ProtocolError unless the reader speaks this version and knows the token."""
        try:
            message = await asyncio.wait_for(self._connection.recv(), _HELLO_S)
        except TimeoutError:
            raise ProtocolError(f"hello: none came in {_HELLO_S:g} s") from None
        await self._admission.admit()
        values = read_text(message, "hello")
        if values["type"] != "hello":
            raise ProtocolError(f'hello: "{values["type"][:40]}" given; expected a message of type "hello" first')
        if not self._access.admits(values.get("token")):
            raise ProtocolError("token: wrong; the right one is in the address that the server printed when it started")
        if values.get("version") != VERSION:
            raise ProtocolError(f"version: {str(values.get('version'))[:40]} given; this server speaks version {VERSION}")
        info = self._source.info.as_values()
        commands = [name for name in info["commands"] if self._may(name)]
        await self._connection.send(text("welcome", version=VERSION, **{**info, "commands": commands}))

    def _may(self, command: str) -> bool:
        return not self._access.read_only or command in LOOKING

    async def _read_commands(self) -> None:
        async for message in self._connection:
            if self._allowance.spend():
                raise ProtocolError(f"messages: more than {MESSAGES:g} a second came; expected fewer")
            await self._wait()
            values = _values_of(message)
            try:
                await self._obey(values["type"], values)
            except AetheriaError as error:
                await self._connection.send(text("error", message=one_line(error), command=values["type"][:40]))

    async def _wait(self) -> None:
        """Waits while the commands of this reader took too much of the run's time, and with the other new ones."""
        if time.monotonic() - self._came < NEW_S:
            await self._admission.admit()
        while self._own.wait and not self._source.waits:
            await asyncio.sleep(min(self._own.wait, _NAP_S))

    async def _obey(self, kind: str, values: Mapping[str, Any]) -> None:
        if kind == "view":
            self.channel = self._hub.join(read_view(values), self.channel)
            self.show()
        elif kind not in self._source.info.commands:
            known = ", ".join(("view", *self._source.info.commands))
            raise ProtocolError(f'message: type "{kind[:40]}"; known: {known}')
        elif not self._may(kind) or (self._access.read_only and "ahead" in values):
            raise ProtocolError(f"{kind}: this server only shows the run (--read-only)")
        elif kind == "cells" and "block" not in values:
            raise ProtocolError("cells: a text given; expected a binary message, with the cells after its head")
        else:
            answer = await asyncio.to_thread(self._obey_source, kind, values)
            if answer is not None:
                await self._connection.send(answer)

    def _obey_source(self, kind: str, values: Mapping[str, Any]) -> bytes | str | None:
        """In a thread of its own, whose time this reader pays."""
        began = time.thread_time()
        try:
            return self._source.obey(kind, values)
        finally:
            self._own.spend(time.thread_time() - began)

    async def _refuse(self, message: str) -> None:
        with suppress(ConnectionClosed):
            await self._connection.send(text("error", message=message))
            await self._connection.close(_REFUSED, message.encode()[:120].decode(errors="ignore"))


def _values_of(message: str | bytes) -> dict[str, Any]:
    """The values of a message: a JSON text, or cells, which are its "block"."""
    if isinstance(message, bytes):
        return {"type": "cells", "block": read_cells(message)}
    if len(message) > MAX_TEXT_BYTES:
        raise ProtocolError(f"message: a text of {len(message):,} characters given; expected up to {MAX_TEXT_BYTES:,}")
    return read_text(message, "message")
