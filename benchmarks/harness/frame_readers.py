"""Readers of a served run, in a process of their own: they count the bytes that come, and look at none of them.

python -m benchmarks.harness.frame_readers PORT TOKEN READERS SLOW, until its standard input ends. Imports nothing but the
standard library, and does as little as it can: readers are on other machines, and must not take the run's time here.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness.processes import ROOT

_UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_SLOW_S, _SLOW_BYTES = 0.1, 4096  # a slow reader takes so many bytes at a time


@contextmanager
def reading(port: int, token: str, readers: int, slow: int) -> Iterator[list[int]]:
    """So many readers of the default view, of which the last `slow` ones hardly read; the list is filled at the end.

    Yields:
        bytes that each reader has read while the block ran.
    """
    command = [sys.executable, "-m", "benchmarks.harness.frame_readers", str(port), token, str(readers), str(slow)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()  # all are there
        taken: list[int] = []
        yield taken
        process.stdin.close()
        taken += json.loads(process.stdout.readline())


def _connected(port: int, token: str) -> socket.socket:
    """A reader that has said hello."""
    reader = socket.create_connection(("127.0.0.1", port))
    reader.sendall(_UPGRADE.encode())
    while not (reader.recv(4096)).endswith(b"\r\n\r\n"):
        pass
    hello = json.dumps({"type": "hello", "version": 2, "token": token}).encode()
    reader.sendall(bytes([0x81, 0x80 | len(hello), 0, 0, 0, 0]) + hello)  # masked with zeros
    return reader


def _read(readers: list[socket.socket], slow: int) -> list[int]:
    """Reads until the standard input ends; returns the bytes of each."""
    selector = selectors.DefaultSelector()
    for number, reader in enumerate(readers[: len(readers) - slow]):
        selector.register(reader, selectors.EVENT_READ, number)
    selector.register(sys.stdin, selectors.EVENT_READ)
    taken, buffer = [0] * len(readers), bytearray(1 << 20)
    due = time.monotonic()
    while True:
        for key, _ in selector.select(_SLOW_S):
            if key.data is None:
                return taken
            taken[key.data] += readers[key.data].recv_into(buffer)
        if time.monotonic() >= due:
            due = time.monotonic() + _SLOW_S
            for number in range(len(readers) - slow, len(readers)):
                taken[number] += readers[number].recv_into(buffer, _SLOW_BYTES)


def main() -> None:
    """Reads as the arguments say; prints the bytes of each reader."""
    port, token, count, slow = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    readers = [_connected(port, token) for _ in range(count)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdout.write(json.dumps(_read(readers, slow)) + "\n")


if __name__ == "__main__":
    main()
