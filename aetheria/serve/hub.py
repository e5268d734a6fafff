"""The hub between a source and its readers: one thread for each view that somebody sees, and its newest frame."""

import threading
import time
from collections.abc import Callable

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.core.printable import get_logger
from aetheria.serve.protocol import Picture, View, frame_bytes, one_line
from aetheria.serve.source import Source
from aetheria.serve.wire import wire_form

log = get_logger(__name__)
MAX_VIEWS = 8  # different ones at a time: each costs the device a rendering
_IDLE_S = 0.25


class Channel:
    """The frames of one view, of which the newest is kept. They are made only while a reader is ready for one.

    Attributes:
        view: that is shown.
        frame: the newest, as it goes through the sockets of all readers; None before the first.
        number: of the frame, from 1; one more at the end.
        error: why there are no more; empty while there are.
        ended: the run has ended, or failed with `error`.
        readers: their number.
        budget: what its frames may cost: as much as those of any other view.
    """

    def __init__(self, view: View, source: Source, changed: Callable[["Channel"], None]) -> None:
        """
        Args:
            changed: called in the thread of the channel, after each frame and at the end.
        """
        self.view = view
        self.frame: bytes | None = None
        self.number = 0
        self.error = ""
        self.ended = False
        self.readers = 0
        self.budget = source.budget.part()
        self._source, self._changed = source, changed
        self._wanted = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="serve view", daemon=True)
        self._thread.start()

    def want(self) -> None:
        """Tells that a reader is ready for the next frame."""
        self._wanted.set()

    def close(self) -> None:
        """Ends the channel soon."""
        self._closed = True
        self._wanted.set()

    def join(self, timeout: float) -> None:
        """Waits for the thread of the channel."""
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            for picture in self._source.pictures(self.view, lambda: self._closed, self.budget):
                if picture is not None:
                    self._publish(picture)
                while not self._wanted.wait(_IDLE_S) and not self._closed:
                    pass
        except AetheriaError as error:
            self.error = one_line(error)
        except Exception as error:  # noqa: BLE001 - a picture that cannot be made must not end the run
            self.error = f"{type(error).__name__}: {error}".partition("\n")[0]
            log.warning("serve: view of %s: %s; the run goes on", self.view.field, self.error)
        finally:
            self._source.budget.give_back(self.budget)
            self.ended = True
            self.number += 1
            self._changed(self)

    def _publish(self, picture: Picture) -> None:
        began = time.thread_time()
        self.frame = wire_form(frame_bytes(picture))
        self.number += 1
        self._wanted.clear()
        self.budget.spend(time.thread_time() - began)
        self._changed(self)


class Hub:
    """The channels of a source, by view. For one thread, that of the server."""

    def __init__(self, source: Source, changed: Callable[[Channel], None]) -> None:
        """
        Args:
            changed: as for `Channel`.
        """
        self._source, self._changed = source, changed
        self._channels: dict[View, Channel] = {}
        self._ending: list[Channel] = []  # without readers, whose threads may still be at work

    def join(self, view: View, before: Channel | None = None) -> Channel:
        """The channel of a view, with one reader more, who leaves the one `before`.

        Raises:
            ConfigError: the run has no such view, or there are too many different ones.
        """
        self._source.info.check(view)
        if before is not None and before.view == view and not before.ended:
            return before
        found = self._channels.get(view)
        if found is None or found.ended:
            alone = before is not None and before.readers == 1
            if len(self._channels) - alone >= MAX_VIEWS:
                raise ConfigError(
                    f"view: {MAX_VIEWS} different ones are seen by others, the most there may be; choose one of theirs"
                )
            found = self._channels[view] = Channel(view, self._source, self._changed)
        found.readers += 1
        if before is not None:
            self.leave(before)
        found.want()
        return found

    def leave(self, channel: Channel) -> None:
        """Takes a reader away; a channel without readers ends."""
        channel.readers -= 1
        if channel.readers == 0:
            channel.close()
            self._ending = [one for one in self._ending if not one.ended] + [channel]
            if self._channels.get(channel.view) is channel:
                del self._channels[channel.view]

    def close(self) -> list[Channel]:
        """Ends all channels, and returns those whose threads may still be at work."""
        channels = [*self._channels.values(), *self._ending]
        for channel in channels:
            channel.close()
        self._channels.clear()
        return channels
