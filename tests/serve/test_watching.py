"""Pictures in a terminal, and the commands that serve and watch."""

import io
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import websockets
from numpy.typing import NDArray
from rich.console import Console
from typer.testing import CliRunner, Result

from aetheria import Aetheria_Motor, Recorder
from aetheria.cli import app
from aetheria.core.errors import AetheriaError
from aetheria.laws import build_law
from aetheria.recording import Recording
from aetheria.serve.access import Access
from aetheria.serve.client import RemoteRun
from aetheria.serve.half_blocks import HalfBlocks, fitted
from aetheria.serve.protocol import View
from aetheria.serve.server import Server, serve_motor
from aetheria.serve.watching import watch_recording

assert websockets  # the module is skipped without it
CONFIG = """
steps = 40
[grid]
height = 12
width = 16
[law]
name = "life"
[motor]
plan = "eager"
[record]
every = 40
[checkpoint]
minutes = 0
"""


def printed(image: NDArray[np.uint8], columns: int, rows: int) -> str:
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system="truecolor")
    console.print(HalfBlocks(image, rows), end="")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def failure(*arguments: str) -> str:
    result = call(*arguments)
    assert isinstance(result.exception, AetheriaError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def recorded(path: Path, law: str = "Life", grid: tuple[int, ...] = (6, 8)) -> Aetheria_Motor:
    motor = Aetheria_Motor(build_law(law), grid, device="cpu", cfg={"plan": "eager"}, initial="noise")
    with Recorder(motor, path):
        motor.step(3)
    return motor


def test_each_character_shows_two_pixels() -> None:
    image = np.array([[[1, 2, 3], [1, 2, 3]], [[4, 5, 6], [7, 8, 9]]], np.uint8)
    text = printed(image, 80, 20)
    assert text.count("▀") == 2
    assert "38;2;1;2;3;48;2;4;5;6m" in text
    assert "38;2;1;2;3;48;2;7;8;9m" in text


def test_equal_neighbours_share_their_colours() -> None:
    assert printed(np.zeros((2, 40, 3), np.uint8), 80, 20).count("38;2;") == 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 500), (500, 3), (200, 300), (7, 7)])
def test_a_picture_fits_the_terminal_and_keeps_its_shape(height: int, width: int) -> None:
    shown = fitted(np.zeros((height, width, 3), np.uint8), 80, 20)
    assert shown.shape[1] <= 80
    assert shown.shape[0] <= 40
    assert shown.shape[0] % 2 == 0
    if min(height, width) > 10:
        assert shown.shape[0] / shown.shape[1] == pytest.approx(height / width, rel=0.1)


def test_a_recording_is_watched_in_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    recorded(path)
    result = call("watch", str(path), "--frames", "2")
    assert result.exit_code == 0, result.output
    assert result.output.count("▀") == 2 * 3 * 8
    assert "channel_0 0 to 1" in result.output


def test_a_recording_of_one_axis_grows_downwards_and_of_three_is_a_layer(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80, height=30)
    recorded(tmp_path / "line.h5", "Elementary", (10,))
    watch_recording(tmp_path / "line.h5", View(), console, frames=3)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("▀") == 10 * (1 + 1 + 2)
    motor = recorded(tmp_path / "space.h5", "Life3D", (4, 6, 8))
    assert motor.step_count == 3
    watch_recording(tmp_path / "space.h5", View(cut="max"), console, frames=1)
    assert "step" in console.file.getvalue()


def test_a_served_run_is_watched_in_the_terminal() -> None:
    motor = Aetheria_Motor(build_law("Life"), (6, 8), device="cpu", cfg={"plan": "eager"}, initial="noise")
    with serve_motor(motor, access=Access(port=0)) as server:
        result = call("watch", server.address, "--frames", "1", "--observable", "population")
    assert result.exit_code == 0, result.output
    assert result.output.count("▀") == 3 * 8


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["watch", "nowhere.h5"], "no such file"),
        (["watch", "ftp://host/#t"], "expected an address"),
        (["watch", "ws://host:1"], "has no token"),
        (["watch", "RUN", "--field", "mas"], "known: channel_0"),
        (["watch", "RUN", "--colours", "red"], "colour_map"),
        (["watch", "RUN", "--slice", "middle"], "slice"),
        (["watch", "RUN", "--universe", "2"], "universe"),
        (["serve", "nowhere.h5", "--port", "0"], "nowhere.h5"),
        (["serve", "RUN", "--host", "0.0.0.0"], "--tls-cert"),
        (["serve", "RUN", "--port", "99999"], "65535"),
        (["serve", "RUN", "--host", "192.0.2.1", "--tls-cert", "no.pem", "--tls-key", "no.pem"], "no.pem"),
        (["run", "quickstart", "--port", "1"], "without --serve"),
        (["run", "quickstart", "--read-only"], "without --serve"),
        (["run", "quickstart", "--serve", "--cache"], "--cache given too"),
        (["run", "quickstart", "--serve", "--split", "1x2"], "--split given too"),
    ],
)
def test_bad_arguments_are_said_in_one_line(arguments: list[str], line: str, tmp_path: Path) -> None:
    if "RUN" in arguments:
        recorded(tmp_path / "run.h5")
    assert line in failure(*[str(tmp_path / "run.h5") if one == "RUN" else one for one in arguments])


def test_without_websockets_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.serve.access.installed", lambda _: False)
    assert ".[serve]" in failure("watch", "ws://host:1/#t")
    assert ".[serve]" in failure("run", "quickstart", "--serve")


def act_on(server: Server, ending: Callable[[RemoteRun], None], seen: list[int]) -> None:
    """A reader that pauses a run before its first step, takes five steps, and ends it."""
    with RemoteRun(server.address) as run:
        run.send("step", steps=5)
        seen += [next(picture.step for picture in run.pictures() if picture.step == 5)]
        ending(run)
        list(run.pictures())
        seen += [int(run.ended)]


@pytest.mark.parametrize(
    ("ending", "exit_code"),
    [
        (lambda run: run.send("pause", paused=False), 0),
        (lambda _: os.kill(os.getpid(), signal.SIGINT), 130),
    ],
)
def test_a_run_is_served_from_its_first_step_until_its_end_or_ctrl_c(
    ending: Callable[[RemoteRun], None], exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    readers: list[threading.Thread] = []

    def read(server: Server) -> None:
        server.source.obey("pause", {})
        readers.append(threading.Thread(target=act_on, args=(server, ending, seen)))
        readers[0].start()

    monkeypatch.setattr("aetheria.cli.serving.print_address", read)
    (tmp_path / "soup.toml").write_text(CONFIG)
    result = call("run", str(tmp_path / "soup.toml"), "--serve", "--port", "0", "--quiet", "--out", str(tmp_path / "soup.h5"))
    readers[0].join()
    assert seen == [5, 1]
    assert result.exit_code == exit_code, result.output
    with Recording(tmp_path / "soup.h5") as recording:
        assert recording.status == ("interrupted" if exit_code else "done")
        assert recording.steps[-1] == (0 if exit_code else 40)


def test_a_recording_is_served_until_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path / "run.h5")
    widths: list[int] = []

    def read_and_interrupt(_: float) -> None:
        address = re.search(r"http://\S+", out.getvalue())
        assert address is not None
        with RemoteRun(address[0]) as run:
            widths.append(next(run.pictures()).width)
        raise KeyboardInterrupt

    out = io.StringIO()
    monkeypatch.setattr("aetheria.cli.serving.out._file", out)  # `file` would be set to one of now at the end
    monkeypatch.setattr("aetheria.cli.serve_commands.sleep", read_and_interrupt)
    assert call("serve", str(tmp_path / "run.h5"), "--port", "0").exit_code == 0
    assert widths == [8]
