"""A run with twenty readers, half of them slow, and a hostile one: its cells are those of a run that nobody sees."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import websockets
from websockets.sync.client import ClientConnection, connect

from aetheria import Aetheria_Motor
from aetheria.core.errors import ConfigError
from aetheria.laws import build_law
from aetheria.serve.client import RemoteRun
from aetheria.serve.protocol import MAX_MESSAGE_BYTES, VERSION, Picture, View, packed, read_frame
from aetheria.serve.server import Server

_SHAPE = (64, 96)
_FAST = _SLOW = 10


def motor_of() -> Aetheria_Motor:
    return Aetheria_Motor(build_law("Life"), _SHAPE, device="cpu", cfg={"plan": "eager"}, initial="noise")


def raw(server: Server) -> ClientConnection:
    # Without pings: those of a reader that does not read would end its connection.
    options: dict[str, Any] = {"compression": None, "close_timeout": 0.2, "max_queue": 1, "ping_interval": None}
    return connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None, **options)


def hello(server: Server, token: str = "") -> str:
    return json.dumps({"type": "hello", "version": VERSION, "token": token or server.token})


class FastReader(threading.Thread):
    """Reads all that comes until the end.

    Attributes:
        pictures: the last one at each step.
        count: of pictures that came.
        ended: the server told the end of the run.
    """

    def __init__(self, address: str, view: View) -> None:
        super().__init__()
        self.pictures: dict[int, Picture] = {}
        self.count = 0
        self.ended = False
        self._address, self._view = address, view
        self.start()

    def run(self) -> None:
        with RemoteRun(self._address) as run, contextlib.suppress(ConfigError):
            run.choose(self._view)
            for picture in run.pictures():
                if picture.view.region == self._view.region:
                    self.count += 1
                    self.pictures[picture.step] = picture
            self.ended = run.ended


class SlowReader(threading.Thread):
    """Takes a message now and then, and the rest at the end.

    Attributes:
        kinds: of the messages that came.
    """

    def __init__(self, server: Server, hurry: threading.Event) -> None:
        super().__init__()
        self.kinds: set[str] = set()
        self._server, self._hurry = server, hurry
        self.start()

    def run(self) -> None:
        with raw(self._server) as connection, contextlib.suppress(websockets.ConnectionClosed):
            connection.send(hello(self._server))
            while True:
                message = connection.recv()
                self.kinds.add(
                    json.loads(message)["type"] if isinstance(message, str) else f"frame {read_frame(message).width}"
                )
                self._hurry.wait(0.5)


def harass(server: Server) -> None:
    """Garbage, huge messages, wrong tokens, floods and a thousand connections."""
    attacks: list[tuple[str | bytes, ...]] = [
        (b"\x80\x04garbage",),
        ("x" * (2 * MAX_MESSAGE_BYTES),),
        (hello(server, "wrong"),),
        (hello(server), *['{"type": "fly"}'] * 200),
        (hello(server), packed("cells", b"", at=[1 << 60], shape=[1])),
    ]
    for attack in attacks:
        with contextlib.suppress(websockets.WebSocketException, OSError), raw(server) as one:
            for message in attack:
                one.send(message)
            for _ in range(20):  # a reader whose message is refused stays, and gets pictures without end
                one.recv(timeout=0.5)
    with contextlib.ExitStack() as sockets:
        for _ in range(1000):
            with contextlib.suppress(OSError):
                stranger = sockets.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=0.05))
                stranger.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")


def step_slowly(motor: Aetheria_Motor) -> None:
    """A step, and a pause in which the threads of the server and of its readers have the interpreter."""
    motor.step(1)
    time.sleep(0.005)


def test_a_crowd_with_a_hostile_reader_changes_no_cell_of_the_run() -> None:
    motor, alone, done = motor_of(), motor_of(), threading.Event()
    view = View(region=(8, 16, 32, 48))
    with motor.serve(port=0) as server:
        fast = [FastReader(server.url, view if k % 2 else View(region=(0, 0, *_SHAPE))) for k in range(_FAST)]
        slow = [SlowReader(server, done) for _ in range(_SLOW)]
        while server.readers < _FAST + _SLOW:
            step_slowly(motor)
        hostile = threading.Thread(target=harass, args=(server,))
        hostile.start()
        while min(len(reader.pictures) for reader in fast) < 5 or motor.step_count < 200:
            step_slowly(motor)
        done.set()
        while hostile.is_alive():
            step_slowly(motor)
        assert server.alive
    for one in slow:
        one.join(60)
        assert {"welcome", "status", f"frame {_SHAPE[1]}", "ended"} <= one.kinds
    for reader in fast:
        reader.join(60)
        assert reader.ended
    seen = {step: picture for reader in fast for step, picture in reader.pictures.items()}
    for step in sorted(seen)[:: max(1, len(seen) // 20)]:
        alone.step(step - alone.step_count)
        picture = seen[step]
        assert picture.view.region is not None
        top, left, height, width = picture.view.region
        pixels = np.frombuffer(picture.pixels, np.uint8).reshape(height, width)
        cells = alone.cells[0, 0, top : top + height, left : left + width].numpy()
        assert np.array_equal(pixels > 127, cells > 0), step
    alone.step(motor.step_count - alone.step_count)
    assert torch.equal(alone.cells, motor.cells)
    assert not motor.edits


# Comes again and again, with the right token and more commands than the server takes.
_FLOOD = """
import json, sys
from websockets.sync.client import connect
from websockets.exceptions import WebSocketException

print("ready", flush=True)
while True:
    try:
        with connect(sys.argv[1], proxy=None, compression=None, close_timeout=0.2) as one:
            one.send(sys.argv[2])
            for _ in range(60):
                one.send(json.dumps({"type": "fly"}))
    except (WebSocketException, OSError):
        pass
"""


@contextlib.contextmanager
def flooded(server: Server) -> Iterator[None]:
    command = [sys.executable, "-c", _FLOOD, f"ws://127.0.0.1:{server.port}/ws", hello(server)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
        yield
        one.kill()


def test_readers_who_are_there_go_on_getting_frames_while_others_flood() -> None:
    motor = motor_of()
    with motor.serve(port=0) as server:
        readers = [FastReader(server.url, View(region=(0, 0, side, side))) for side in (32, 64)]
        while min(reader.count for reader in readers) < 5:
            step_slowly(motor)
        with flooded(server):
            used_up = time.monotonic() + 2.5  # when what may be taken at once is
            while time.monotonic() < used_up:
                step_slowly(motor)
            counts, end = [reader.count for reader in readers], time.monotonic() + 60
            while any(reader.count < count + 3 for reader, count in zip(readers, counts, strict=True)):
                assert time.monotonic() < end
                step_slowly(motor)
    for reader in readers:
        reader.join()
