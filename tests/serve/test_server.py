"""The server, over real sockets of the loopback: readers, slow readers, hostile ones, and a run that none of them disturbs."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from aetheria import Aetheria_Motor, Recorder
from aetheria.core.errors import ConfigError
from aetheria.laws import build_law
from aetheria.runs.steering import Steering
from aetheria.serve import server as server_module
from aetheria.serve.access import Access
from aetheria.serve.client import RemoteRun
from aetheria.serve.playback import PlaybackSource
from aetheria.serve.protocol import MAX_MESSAGE_BYTES, Picture, View, read_frame
from aetheria.serve.server import Server, serve_motor


def small_motor(grid: tuple[int, ...] = (16, 24), law: str = "Life", **options: Any) -> Aetheria_Motor:
    return Aetheria_Motor(build_law(law), grid, device="cpu", cfg={"plan": "eager"}, initial="noise", **options)


@contextlib.contextmanager
def running(motor: Aetheria_Motor, **access: Any) -> Iterator[tuple[Server, Steering]]:
    """A motor that another thread steps, and its server."""
    steering, stop = Steering(), threading.Event()
    steering.limit(500)
    with serve_motor(motor, steering=steering, access=Access(port=0, **access)) as server:
        thread = threading.Thread(target=steering.step, args=(motor, 10**9, stop.is_set))
        thread.start()
        try:
            yield server, steering
        finally:
            stop.set()
            thread.join()


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def raw(server: Server, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None, compression=None, close_timeout=0.3, **options)


def hello(server: Server, **changes: Any) -> str:
    return json.dumps({"type": "hello", "version": 2, "token": server.access.token, **changes})


def drain(connection: ClientConnection) -> None:
    """Reads until the connection is closed."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            connection.recv(timeout=10)


def refusal(server: Server, *messages: str | bytes) -> str:
    """The line with which the server closes a connection that sends these."""
    with raw(server) as connection:
        with contextlib.suppress(websockets.ConnectionClosed):
            for message in messages:
                connection.send(message)
        drain(connection)
        return connection.close_reason or ""


def test_a_reader_sees_the_cells_of_the_step_that_the_frame_states() -> None:
    motor = small_motor()
    with running(motor) as (server, steering), RemoteRun(server.address) as run:
        assert run.welcome["law"] == "Life"
        assert run.welcome["grid"] == [16, 24]
        assert {"pause", "step", "speed", "cells", "control"} <= set(run.welcome["commands"])
        run.send("pause", paused=True)
        wait_for(lambda: steering.paused)
        before = motor.step_count
        run.send("step", steps=7)
        wait_for(lambda: motor.step_count >= before + 7)
        run.choose(View(observables=("population",)))
        picture = next(p for p in run.pictures() if p.observables and p.step >= before + 7)
        alike = small_motor()
        alike.step(picture.step)
        cells = alike.cells[0, 0].numpy()
        assert (picture.height, picture.width) == cells.shape
        assert np.array_equal(np.frombuffer(picture.pixels, np.uint8).reshape(cells.shape), (cells * 255).astype(np.uint8))
        assert picture.observables["population"] == cells.sum()
        assert server.sent_bytes > 0


def test_pictures_are_no_larger_than_asked_for() -> None:
    with running(small_motor((64, 128))) as (server, _), RemoteRun(server.address) as run:
        run.choose(View(size=32))
        picture = next(picture for picture in run.pictures() if picture.width < 128)
        assert (picture.height, picture.width) == (16, 32)


def test_grids_of_one_and_three_axes_are_shown_as_a_row_and_a_layer() -> None:
    with running(small_motor((32,), "Elementary")) as (server, _), RemoteRun(server.address) as run:
        assert next(run.pictures()).height == 1
    with running(small_motor((4, 6, 8), "Life3D")) as (server, _), RemoteRun(server.address) as run:
        picture = next(run.pictures())
        assert (picture.height, picture.width) == (6, 8)
        run.choose(View(cut="max"))
        run.choose(View(cut=9))
        with pytest.raises(ConfigError, match="slice"):
            list(run.pictures())


def test_readers_of_one_view_share_its_frames() -> None:
    with running(small_motor()) as (server, _), contextlib.ExitStack() as readers:
        runs = [readers.enter_context(RemoteRun(server.address)) for _ in range(5)]
        assert [next(run.pictures()).height for run in runs] == [16] * 5
        assert server.readers == 5
        assert sum(thread.name == "serve view" for thread in threading.enumerate()) == 1


def test_too_many_different_views_are_refused_and_the_reader_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.serve.hub.MAX_VIEWS", 1)
    with running(small_motor()) as (server, _), RemoteRun(server.address) as one, RemoteRun(server.address) as other:
        next(one.pictures())
        next(other.pictures())
        other.choose(View(size=8))
        with pytest.raises(ConfigError, match="different ones"):
            list(other.pictures())
        assert next(one.pictures()).width == 24


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("garbage", "hello: no JSON"),
        (b"\x80\x04garbage", "binary message"),
        ('{"type": "pause"}', "first"),
        ('{"type": "hello", "version": 2, "token": "wrong"}', "token: wrong"),
        ('{"type": "hello", "version": 2}', "token: wrong"),
    ],
)
def test_a_stranger_is_turned_away_with_one_line(message: str | bytes, line: str) -> None:
    with running(small_motor()) as (server, _):
        assert line in refusal(server, message)
        assert server.readers == 0
        assert not server._hub._channels


def test_another_version_is_refused_by_its_number() -> None:
    with running(small_motor()) as (server, _):
        assert "version: 99 given; this server speaks version 2" in refusal(server, hello(server, version=99))


def test_the_wrong_token_is_told_in_the_client_too() -> None:
    with running(small_motor()) as (server, _), pytest.raises(ConfigError, match="token: wrong"):
        RemoteRun(f"ws://127.0.0.1:{server.port}/#{Access().token}")


@pytest.mark.parametrize("address", ["ws://127.0.0.1:1/", "host:8765", "ftp://host/#token", "ws://[bad/#x", "ws://h:x/#t"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        RemoteRun(address)


def test_nobody_at_an_address_is_said_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConfigError, match="refused"):
        RemoteRun(f"ws://127.0.0.1:{port}/#token")


def test_bad_commands_are_answered_in_one_line_and_the_reader_stays() -> None:
    with running(small_motor()) as (server, steering), raw(server) as connection:
        connection.send(hello(server))
        for message, line in (
            ({"type": "fly"}, "known: view, pause, step, speed"),
            ({"type": "view", "field": "enrgy"}, "did you mean energy"),
            ({"type": "view", "universe": 3}, "expected 0 to 0"),
            ({"type": "view", "observables": ["density"]}, "observables"),
            ({"type": "step", "steps": -1}, "whole number"),
            ({"type": "speed", "speed": 0}, "steps a second"),
        ):
            connection.send(json.dumps(message))
            while not isinstance(answer := connection.recv(timeout=10), str) or '"error"' not in answer:
                pass
            assert line in json.loads(answer)["message"]
        assert not steering.paused


def test_a_read_only_server_refuses_commands_but_not_views() -> None:
    with running(small_motor(), read_only=True) as (server, steering), RemoteRun(server.address) as run:
        assert run.welcome["commands"] == ["read", "amplitude", "edits"]
        run.choose(View(size=8))
        assert next(p for p in run.pictures() if p.width == 8)
        run.send("pause", paused=True)
        with pytest.raises(ConfigError, match="read-only"):
            list(run.pictures())
        assert not steering.paused


def test_huge_messages_and_floods_end_the_connection_alone() -> None:
    motor = small_motor()
    with running(motor) as (server, _), RemoteRun(server.address) as friend:
        with raw(server) as connection:
            connection.send(hello(server))
            connection.send("x" * (MAX_MESSAGE_BYTES + 1))
            drain(connection)
            assert connection.close_code == 1009
        assert "more than" in refusal(server, hello(server), *['{"type": "view"}'] * 200)
        assert next(friend.pictures())
        before = motor.step_count
        wait_for(lambda: motor.step_count > before)


def test_bytes_that_are_no_http_and_a_thousand_connections_leave_run_and_server_as_they_are() -> None:
    motor = small_motor()
    with running(motor) as (server, _), contextlib.ExitStack() as sockets:
        with socket.create_connection(("127.0.0.1", server.port)) as stranger:
            stranger.sendall(b"\x16\x03\x01garbage\r\n\r\n")
            stranger.settimeout(10)
            while stranger.recv(4096):
                pass
        for _ in range(server_module._MAX_SOCKETS + 100):
            with contextlib.suppress(OSError):
                sockets.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        wait_for(lambda: len(server._sockets) <= server_module._MAX_SOCKETS)
        before = motor.step_count
        wait_for(lambda: motor.step_count > before)
        sockets.close()
        wait_for(lambda: not server._sockets)
        with RemoteRun(server.address) as run:
            assert next(run.pictures())


def test_a_reader_that_does_not_read_gets_fewer_frames_and_slows_nobody() -> None:
    motor = small_motor((512, 512))
    with running(motor) as (server, _), raw(server, max_queue=1) as slow, RemoteRun(server.address) as fast:
        slow.send(hello(server))
        first = slow.recv(timeout=10)
        assert '"welcome"' in str(first)
        pictures = fast.pictures()
        steps = [next(pictures).step for _ in range(40)]
        assert steps == sorted(set(steps))
        wait_for(lambda: server.readers == 2)
        for _ in range(1000):  # what is on its way to the slow reader fills buffers of the system first
            next(pictures)
            behind, ahead = sorted(reader.sent_frames for reader in server._readers.values())
            if behind + 5 < ahead:
                break
        assert behind + 5 < ahead
        late = (slow.recv(timeout=10) for _ in range(1000))
        assert read_frame(next(message for message in late if isinstance(message, bytes))).width > 0


def test_a_server_that_dies_is_logged_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def die(_: Any) -> None:
        raise RuntimeError("torn")

    monkeypatch.setattr(Server, "_say_goodbye", die)
    motor = small_motor()
    with running(motor) as (server, _), RemoteRun(server.address) as run:
        next(run.pictures())
        server._loop.call_soon_threadsafe(server._stop.set)
        wait_for(lambda: not server.alive)
        before = motor.step_count
        wait_for(lambda: motor.step_count > before)
    assert "torn; the server has ended, the run goes on" in caplog.text


def test_a_view_that_fails_is_told_to_its_reader_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no memory")

    motor = small_motor()
    monkeypatch.setattr("aetheria.serve.live._picture", fail)
    with running(motor) as (server, _), RemoteRun(server.address) as run, pytest.raises(ConfigError, match="no memory"):
        list(run.pictures())
    motor.step(1)


def test_a_port_in_use_is_said_in_one_line() -> None:
    motor = small_motor()
    with running(motor) as (server, _), pytest.raises(ConfigError, match=f"{server.port} is in use"):
        serve_motor(motor, access=Access(port=server.port))


def test_readers_are_told_the_end_of_the_run_and_a_paused_run_goes_on_then() -> None:
    with running(small_motor()) as (server, steering), RemoteRun(server.address) as run:
        steering.pause(True)
        assert next(run.pictures())
        server.close()
        list(run.pictures())
        assert run.ended
        assert not steering.paused


def test_the_page_is_served_alone_with_a_policy_against_foreign_hosts() -> None:
    with running(small_motor()) as (server, _):
        address = f"http://127.0.0.1:{server.port}"
        for name, content in (("", "<canvas"), ("page.css", "color-scheme"), ("page.js", "new WebSocket")):
            with urllib.request.urlopen(f"{address}/{name}") as answer:
                text = answer.read().decode()
                policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert content in text
            assert "http://" not in text
            assert "https://" not in text
            assert server.access.token not in text
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + "/../etc/passwd")


def test_a_recording_is_served_and_moved_in_by_its_readers(tmp_path: Path) -> None:
    motor, path = small_motor(), tmp_path / "run.h5"
    with Recorder(motor, path, every=2, fields=["channel_0", "population"]):
        motor.step(20)
    source = PlaybackSource(path)
    with Server(source, Access(port=0)) as server, RemoteRun(server.address) as run:
        assert run.welcome["kind"] == "recording"
        run.send("seek", frame=10)
        run.choose(View(observables=("population",)))
        picture = next(p for p in run.pictures() if p.frame == 10 and p.observables)
        cells = motor.cells[0, 0].numpy()
        assert picture.step == 20
        assert np.array_equal(np.frombuffer(picture.pixels, np.uint8).reshape(cells.shape), (cells * 255).astype(np.uint8))
        assert picture.observables["population"] == cells.sum()
        run.send("step", steps=-4)
        assert next(p for p in run.pictures() if p.frame == 6).step == 12
        run.send("seek", frame="x")
        with pytest.raises(ConfigError, match="whole number of frames"):
            list(run.pictures())


def test_other_addresses_speak_tls_with_the_files_given(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl is installed, which makes a certificate")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = [openssl, "req", "-x509", *kind, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(certificate))
    access = Access("0.0.0.0", 0, certificate=certificate, key=key)
    motor = small_motor()
    with serve_motor(motor, access=access) as server:
        assert server.address.startswith("https://")
        address = f"https://127.0.0.1:{server.port}/#{access.token}"
        with RemoteRun(address, trusted) as run:
            for step in range(3):  # without waiting for a ping
                found = run.receive(10)
                while found is None or not isinstance(found, Picture):
                    assert run.status.get("step", -1) <= step
                    found = run.receive(10)
                assert (found.step, found.height) == (step, 16)
                motor.step(1)
        with pytest.raises(ConfigError, match=r"(?i)certificate"):
            RemoteRun(address)
        with pytest.raises(ConfigError, match="expected the address"):
            RemoteRun(address.replace("https", "http"))
