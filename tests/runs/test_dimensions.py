"""Runs on grids of one and three axes, from TOML to recording, checkpoint, verification and export."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from aetheria.cli import app
from aetheria.core.errors import AetheriaError, ConfigError, LawError, StateError
from aetheria.core.failpoints import on_failpoints
from aetheria.recording import Recording
from aetheria.runs.checkpoint import checkpoints_of
from aetheria.runs.config import RunConfig
from aetheria.runs.replay import replay
from aetheria.runs.run import build_motor, run
from aetheria.runs.state_file import load_state, read_state, save_state

LINE = """
steps = 24
[grid]
width = 40
[law]
name = "Lenia"
R = 5
[motor]
plan = "eager"
[record]
every = 4
[checkpoint]
every = 10
"""
SPACE = """
steps = 24
[grid]
shape = [6, 8, 10]
[law]
name = "MLP"
d_state = 1
hidden_channels = 4
output_scale = 0.3
normalise = "none"
[initial]
kind = "noise"
[motor]
plan = "eager"
[record]
every = 4
fields = ["channel_0", "mass"]
[checkpoint]
every = 10
"""
RUNS = {"line": (LINE, (40,)), "space": (SPACE, (6, 8, 10))}


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, AetheriaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def stepped(text: str) -> dict[int, torch.Tensor]:
    """Channel 0 at each recorded step, by a law that is stepped without a motor."""
    motor = build_motor(config_of(text))
    state: tuple[torch.Tensor, ...] = (motor.cells, *motor.memory)
    law, cells = motor.traits, {0: state[0][:, 0]}
    with torch.inference_mode():
        for step in range(1, 25):
            out = law(*state)
            state = (out,) if isinstance(out, torch.Tensor) else tuple(out)
            cells[step] = state[0][:, 0]
    return cells


def config_of(text: str, **changes: Any) -> RunConfig:
    config = RunConfig.from_toml(text, "test")
    return RunConfig.checked(config.model_dump(exclude_none=True) | changes, "")


def assert_brighter_where_larger(grey: NDArray[np.float64], values: NDArray[np.floating[Any]]) -> None:
    """The picture shows these values in these places, through any rising curve."""
    assert grey.shape == values.shape
    assert (np.diff(grey.ravel()[np.argsort(values.ravel())]) >= 0).all()
    assert len(np.unique(grey)) > values.size // 4


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_recorded_described_verified_and_exported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, grid = RUNS[name]
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text(text)
    expected = stepped(text)
    call("run", "x.toml", "--device", "cpu", "--quiet")
    with Recording("runs/x.h5") as recording:
        assert list(recording.steps) == [0, 4, 8, 12, 16, 20, 24]
        for frame in recording:
            torch.testing.assert_close(torch.from_numpy(frame["channel_0"]), expected[frame.step], rtol=1e-5, atol=1e-6)
        with replay(recording, 10) as motor:
            assert motor.shape[2:] == grid
            torch.testing.assert_close(motor.cells[:, 0], expected[10], rtol=1e-5, atol=1e-6)
    assert f", {' x '.join(map(str, grid))} cells" in call("info", "runs/x.h5")
    assert "all 7 frames, to the last bit" in call("verify", "runs/x.h5")
    call("export", "runs/x.h5", "--npz")
    with np.load("runs/x.npz") as archive:
        assert archive["channel_0"].shape[-len(grid) :] == grid
    with Image.open("runs/x.png") as image:
        assert image.size == (4 * grid[-1], 4 * (grid[-2] if len(grid) > 1 else 7))  # in 1-D a row for each frame


def test_slices_of_a_recording_are_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text(SPACE)
    call("run", "x.toml", "--device", "cpu", "--quiet", "--out", "x.h5")
    with Recording("x.h5") as recording:
        last = np.asarray(recording[-1]["channel_0"][0], float)
    style = ("--field", "channel_0", "--scale", "1", "--colour-map", "grey", "--levels", "-9", "9", "--overwrite")
    for option, expected in (("z=2", last[2]), ("y=mean", last.mean(1)), ("x=max", last.max(2))):
        call("export", "x.h5", "--png", "--slice", option, "--out", "x.png", *style)
        with Image.open("x.png") as image:
            grey = np.asarray(image.convert("L"), float)
        assert grey.shape == expected.shape
        assert_brighter_where_larger(grey, expected)
    call("export", "x.h5", "--gif", "--slice", "z=2", *style)
    with Image.open("x-channel_0.gif") as film:
        assert (film.size, getattr(film, "n_frames", 1)) == ((10, 8), 7)


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (SPACE, ["--gif"], "slice"),
        (SPACE, ["--png", "--slice", "z=6"], "z = 6 given; expected 0 to 5"),
        (SPACE, ["--png", "--slice", "z=-1"], "z = -1 given"),
        (SPACE, ["--png", "--slice", "z=middle"], "z = 'middle' given"),
        (SPACE, ["--png", "--slice", "t=3"], '"t" given'),
        (SPACE, ["--png", "--slice", "z16"], "--slice z16: expected AXIS=INDEX"),
        (SPACE, ["--png", "--slice", "z=1", "--slice", "z=2"], "--slice z=2: expected AXIS=INDEX"),
        (LINE, ["--gif"], "single axis"),
        (LINE, ["--png", "--slice", "x=3"], "at least one must be left"),
    ],
)
def test_an_export_that_needs_another_slice_is_refused(
    text: str, arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(config_of(text, steps=4), tmp_path / "x.h5")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError) as caught:
        call("export", "x.h5", *arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_run_is_resumed_to_the_same_bits(name: str, tmp_path: Path) -> None:
    text, grid = RUNS[name]
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    run(config_of(text), whole)

    def interrupt(failpoint: str) -> None:
        if failpoint == "old checkpoints gone":
            os.kill(os.getpid(), signal.SIGINT)

    with on_failpoints(interrupt):
        assert run(config_of(text), parts).status == "interrupted"
    call("run", "--resume", str(parts), "--quiet")
    with Recording(whole) as one, Recording(parts) as other:
        assert len(one) == len(other) == 7
        for a, b in zip(one, other, strict=True):
            assert a.step == b.step
            np.testing.assert_array_equal(a["channel_0"], b["channel_0"])
    one_end, other_end = (read_state(checkpoints_of(path)[0]) for path in (whole, parts))
    assert one_end.description.shape[2:] == grid
    assert torch.equal(one_end.tensors["cells"], other_end.tensors["cells"])


def test_slices_are_recorded_and_pictured(tmp_path: Path) -> None:
    slices = {
        "record": {"every": 24, "fields": ["channel_0"], "slice": {"z": 4}, "size": [4, 5]},
        "picture": {"slice": {"y": "max"}},
    }
    config = config_of(SPACE, **slices)
    run(config, tmp_path / "x.h5")
    with build_motor(config) as motor:
        motor.step(24)
        last = motor.cells[0, 0].numpy()
    with Recording(tmp_path / "x.h5") as recording:
        cut = last[4].reshape(4, 2, 5, 2).mean((1, 3))
        np.testing.assert_allclose(np.asarray(recording[-1]["channel_0"][0], float), cut, rtol=1e-5, atol=1e-6)
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (4 * 10, 4 * 6)
    assert RunConfig.from_toml(config.to_toml(), "").record.slice == {"z": 4}


def test_the_middle_slice_is_pictured_by_default(tmp_path: Path) -> None:
    config = config_of(SPACE, picture={"field": "channel_0", "scale": 1, "colour_map": "grey", "levels": [-9.0, 9.0]})
    run(config, tmp_path / "x.h5")
    with build_motor(config) as motor:
        motor.step(24)
        middle = motor.cells[0, 0, 3].numpy()
    with Image.open(tmp_path / "x.png") as image:
        grey = np.asarray(image.convert("L"), float)
    assert_brighter_where_larger(grey, middle)


@pytest.mark.parametrize(
    ("text", "changes", "error", "words"),
    [
        (
            LINE,
            {"law": {"name": "UNet", "d_state": 2}},
            LawError,
            r"\[law.unet\] grid 40: 1 axis given; UNet steps grids of 2 axes$",
        ),
        (
            SPACE,
            {"law": {"name": "ConvLSTM", "d_state": 2}},
            LawError,
            "grid 6 x 8 x 10: 3 axes given; ConvLSTM steps grids of 2",
        ),
        (SPACE, {"law": {"name": "GrowingNCA", "rank": 2}}, LawError, "3 axes given; GrowingNCA steps grids of 2"),
        (SPACE, {"law": {"name": "GrowingNCA", "rank": 4}}, ConfigError, r"\[law.growingnca\] rank: .4. given"),
        (SPACE, {"initial": {"kind": "seed", "at": [3.0, 4.0]}}, AetheriaError, r"\[initial\] at: .*3"),
        (LINE, {"initial": {"kind": "seed", "at": [3.0, 4.0]}}, AetheriaError, r"\[initial\] at: .*1"),
        (
            SPACE,
            {"record": {"slice": {"z": 6}}},
            ConfigError,
            r'^\[record\] slice: z = 6 given; expected 0 to 5, "mean" or "max"$',
        ),
        (SPACE, {"record": {"slice": {"x": "least"}}}, ConfigError, r"^\[record\] slice: x = 'least' given"),
        (LINE, {"record": {"slice": {"z": 0}}}, ConfigError, r'^\[record\] slice: axis "z" given; the grid of 40 has x$'),
        (SPACE, {"record": {"size": [4, 4]}}, ConfigError, r"^\[record\] size: "),
        (SPACE, {"picture": {"slice": {"z": -1}}}, ConfigError, r"^\[picture\] slice: z = -1 given"),
        (LINE, {"picture": {"slice": {"x": "mean"}}}, ConfigError, r"^\[picture\] slice: all axes of the grid of 40 given"),
    ],
)
def test_what_does_not_fit_the_grid_is_refused_before_anything_is_written(
    text: str, changes: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        run(config_of(text, **changes), tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_another_grid_is_refused_by_its_sides(tmp_path: Path) -> None:
    save_state(build_motor(config_of(LINE)), tmp_path / "x.safetensors")
    other = build_motor(config_of(LINE, grid={"width": 41}))
    with pytest.raises(StateError, match="a state of Lenia, 40 cells, 1 channels; this run is Lenia, 41 cells, 1 channels"):
        load_state(other, tmp_path / "x.safetensors")
