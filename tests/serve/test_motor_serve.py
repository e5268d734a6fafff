"""`motor.serve`: a run in research code, shown while that code steps it."""

from typing import Any

import pytest

from aetheria import Aetheria_Motor
from aetheria.core.errors import ConfigError
from aetheria.laws import build_law
from aetheria.runs.steering import Steering
from aetheria.serve.client import RemoteRun
from aetheria.serve.server import Server


def small_motor() -> Aetheria_Motor:
    return Aetheria_Motor(build_law("Life"), (16, 24), device="cpu", cfg={"plan": "eager"}, initial="noise")


def test_a_motor_serves_itself_until_the_end_of_the_block() -> None:
    motor = small_motor()
    with motor.serve(port=0, title="soup") as server:
        assert server.url == f"ws://127.0.0.1:{server.port}?token={server.token}"
        with RemoteRun(server.url) as run:
            assert run.welcome["title"] == "soup"
            assert not {"pause", "step", "speed"} & set(run.welcome["commands"])
            motor.step(3)
            assert next(picture.step for picture in run.pictures() if picture.step == 3) == 3
    assert not server.alive
    motor.step(1)
    assert motor.step_count == 4


def test_a_motor_that_a_steering_steps_can_be_paused_by_its_readers() -> None:
    motor, steering = small_motor(), Steering()
    with motor.serve(port=0, steering=steering) as server, RemoteRun(server.url) as run:
        assert {"pause", "step", "speed"} <= set(run.welcome["commands"])
        run.send("step", steps=2)
        assert next(run.pictures())
        assert steering.step(motor, 10, until=lambda: motor.step_count == 2) == 2


def test_a_server_that_dies_leaves_the_motor_to_its_code(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def die(_: Server) -> None:
        raise RuntimeError("torn")

    monkeypatch.setattr(Server, "_tell_status", die)
    motor = small_motor()
    with motor.serve(port=0) as server:
        server._thread.join(10)
        assert not server.alive
        assert motor.step(5) == 5
        with pytest.raises(ConfigError, match="refused"):
            RemoteRun(server.url)
    assert "torn; the server has ended, the run goes on" in caplog.text


@pytest.mark.parametrize(
    ("options", "line"),
    [({"host": "0.0.0.0"}, "--tls-cert"), ({"port": 1 << 16}, "65535"), ({"certificate": "no.pem"}, "expected both")],
)
def test_what_a_server_cannot_do_is_said_in_one_line(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        small_motor().serve(**options)


def test_serving_without_the_extra_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.serve.access.installed", lambda _: False)
    with pytest.raises(ConfigError, match="websockets"):
        small_motor().serve(port=0)
