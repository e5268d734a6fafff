"""TCP keepalive of the connections between processes: a network that is cut ends them within seconds."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

SILENCE_S = 15  # of a peer's machine, after which a connection to it is closed; a switch may take seconds to recover
_PROBE_S = 5
# Left alone, data that nobody acknowledges is sent again for a quarter of an hour, and an idle connection stays for ever.
# The kernel of the peer answers the probes, so that a process that is busy, or stopped, is not lost.
_OPTIONS = {
    "TCP_KEEPIDLE": _PROBE_S,
    "TCP_KEEPALIVE": _PROBE_S,  # what macOS calls TCP_KEEPIDLE
    "TCP_KEEPINTVL": _PROBE_S,
    "TCP_KEEPCNT": SILENCE_S // _PROBE_S - 1,
    "TCP_USER_TIMEOUT": 1000 * SILENCE_S,
}


@contextmanager
def kept_alive() -> Iterator[None]:
    """Sets TCP keepalive for the connections that this process opens in the block, which neither gloo nor the store does."""
    before = set(_connections())
    yield
    for descriptor in set(_connections()) - before:
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _OPTIONS.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _connections() -> Iterator[int]:
    """Descriptors of this process's TCP connections; none where the system does not tell them."""
    with suppress(psutil.Error, OSError):
        found = psutil.Process().net_connections("tcp")
        yield from (one.fd for one in found if one.status == psutil.CONN_ESTABLISHED and one.fd >= 0)
