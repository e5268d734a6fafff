"""Ports on which the processes of a split run meet."""

import random
import socket

_PORTS = range(20_000, 32_000)  # below those that Linux gives to sockets of its own choice: none takes a port before it is used


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
