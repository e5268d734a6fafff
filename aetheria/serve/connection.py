"""One reader of a server: greeting, frames as fast as the reader takes them, and commands as often as they are allowed."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from aetheria.core.errors import AetheriaError
from aetheria.serve.access import Access
from aetheria.serve.hub import Channel, Hub
from aetheria.serve.protocol import VERSION, ProtocolError, View, one_line, read_text, read_view, text
from aetheria.serve.source import Source

_HELLO_S = 5.0  # in which a reader must have said who it is
_STATUS_S = 0.25  # seconds between two looks at the status, which is sent when it is another
_MESSAGES = 20.0  # a second, that a reader may send
_BURST = 40.0  # of them at once
_REFUSED = 1008  # code of closing for a broken rule, RFC 6455


class _Allowance:
    """The number of messages that a reader may still send now."""

    def __init__(self) -> None:
        self._left, self._at = _BURST, time.monotonic()

    def spend(self) -> bool:
        """Takes one message off; False where there is none left."""
        now = time.monotonic()
        self._left = min(_BURST, self._left + (now - self._at) * _MESSAGES)
        self._at = now
        self._left -= 1
        return self._left >= 0


class Reader:
    """A connection, from its greeting to its end.

    Attributes:
        sent_bytes: of frames.
        sent_frames: their number.
    """

    def __init__(self, connection: ServerConnection, source: Source, hub: Hub, access: Access) -> None:
        self.sent_bytes = self.sent_frames = 0
        self.channel: Channel | None = None
        self.news = asyncio.Event()  # the channel has another frame
        self._connection, self._source, self._hub, self._access = connection, source, hub, access
        self._allowance = _Allowance()

    async def serve(self) -> None:
        """Speaks with the reader until one of the two ends the connection."""
        try:
            await self._greet()
            self.channel = self._hub.join(View())
            self.news.set()
            writing = [asyncio.create_task(self._send_frames()), asyncio.create_task(self._send_status())]
            try:
                await self._read_commands()
            finally:
                for task in writing:
                    task.cancel()
                await asyncio.gather(*writing, return_exceptions=True)
        except ConnectionClosed:
            pass
        except AetheriaError as error:
            await self._refuse(one_line(error))
        finally:
            if self.channel is not None:
                self._hub.leave(self.channel)

    async def _greet(self) -> None:
        """Raises ProtocolError unless the reader speaks this version and knows the token."""
        try:
            message = await asyncio.wait_for(self._connection.recv(), _HELLO_S)
        except TimeoutError:
            raise ProtocolError(f"hello: none came in {_HELLO_S:g} s") from None
        values = read_text(message, "hello")
        if values["type"] != "hello":
            raise ProtocolError(f'hello: "{values["type"][:40]}" given; expected a message of type "hello" first')
        if not self._access.admits(values.get("token")):
            raise ProtocolError("token: wrong; the right one is in the address that the server printed when it started")
        if values.get("version") != VERSION:
            raise ProtocolError(f"version: {str(values.get('version'))[:40]} given; this server speaks version {VERSION}")
        info = self._source.info.as_values()
        commands = () if self._access.read_only else info.pop("commands")
        await self._connection.send(text("welcome", version=VERSION, **{**info, "commands": commands}))

    async def _read_commands(self) -> None:
        async for message in self._connection:
            if not self._allowance.spend():
                raise ProtocolError(f"messages: more than {_MESSAGES:g} a second came; expected fewer")
            values = read_text(message, "message")
            try:
                await self._obey(values["type"], values)
            except AetheriaError as error:
                await self._connection.send(text("error", message=one_line(error)))

    async def _obey(self, kind: str, values: Mapping[str, Any]) -> None:
        if kind == "view":
            self.channel = self._hub.join(read_view(values), self.channel)
            self.news.set()
        elif kind not in self._source.info.commands:
            known = ", ".join(("view", *self._source.info.commands))
            raise ProtocolError(f'message: type "{kind[:40]}"; known: {known}')
        elif self._access.read_only:
            raise ProtocolError(f"{kind}: this server only shows the run (--read-only)")
        else:
            await asyncio.to_thread(self._source.obey, kind, values)

    async def _send_frames(self) -> None:
        """Sends the newest frame whenever the last one is gone: a slow reader gets fewer."""
        shown: tuple[Channel | None, int] = None, 0
        while True:
            await self.news.wait()
            self.news.clear()
            channel = self.channel
            if channel is None:
                continue
            if channel.error:
                await self._connection.send(text("error", message=channel.error))
                continue
            frame, now = channel.frame, (channel, channel.number)
            if frame is not None and now != shown:
                await self._connection.send(frame)
                shown = now
                self.sent_frames += 1
                self.sent_bytes += len(frame)
            channel.want()

    async def _send_status(self) -> None:
        before: Mapping[str, Any] | None = None
        while True:
            status = self._source.status()
            if status != before:
                await self._connection.send(text("status", **status, sent_bytes=self.sent_bytes))
                before = status
            await asyncio.sleep(_STATUS_S)

    async def _refuse(self, message: str) -> None:
        with suppress(ConnectionClosed):
            await self._connection.send(text("error", message=message))
            await self._connection.close(_REFUSED, message.encode()[:120].decode(errors="ignore"))
