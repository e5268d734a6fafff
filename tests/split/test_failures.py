"""A process of a split run that is killed, or is given bad input, ends all with one message; the run goes on elsewhere."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aetheria import Recording
from aetheria.recording.tiled_recording import TiledRecording
from aetheria.runs.checkpoint import checkpoints_of
from aetheria.runs.config import RunConfig
from aetheria.runs.resume import resume
from aetheria.runs.run import build_motor
from tests.split.pairs import PATIENCE_S, pair_of_processes
from tests.split.two_processes import config_of

ENDLESS = 10**6


def test_a_killed_process_ends_the_run_which_goes_on_in_one(tmp_path: Path) -> None:
    config = config_of(ENDLESS, {"name": "Life"}, checkpoint={"every": 20}, record={"every": 3, "format": "zarr"})
    (tmp_path / "run.toml").write_text(config.to_toml())
    out = tmp_path / "run.h5"
    command = [
        sys.executable,
        "-m",
        "aetheria",
        "run",
        str(tmp_path / "run.toml"),
        "--out",
        str(out),
        "--split",
        "2x1",
        "--quiet",
    ]
    with pair_of_processes([*command, "--device", "cpu"]) as (leader, other):
        until = time.monotonic() + PATIENCE_S
        while not checkpoints_of(out) and leader.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        other.kill()
        said = leader.communicate(timeout=PATIENCE_S)[1]
        assert leader.returncode == 7, said
        assert said.count("error") == 1, said
        assert "a process was lost" in said
    with Recording(out) as recording:
        done = int(recording.steps[-1])
    assert_equal_to_one_process(out, config)  # as it was left
    result = resume(out, steps=done + 5, device="cpu")
    assert (result.status, result.steps) == ("done", done + 5)
    with Recording(out) as recording, build_motor(config, "cpu") as one:
        one.step(int(recording.steps[-1]))
        assert np.array_equal(recording[-1]["channel_0"], one.read("channel_0").numpy())
    assert_equal_to_one_process(out, config)


def assert_equal_to_one_process(recording: Path, config: RunConfig) -> None:
    """Every committed frame at full resolution is that of one process."""
    store = TiledRecording(recording.with_suffix(".zarr"))
    assert len(store) > 3
    with build_motor(config, "cpu") as one:
        for frame in store:
            one.step(frame.step - one.step_count)
            assert np.array_equal(frame["channel_0"], one.read("channel_0").numpy())


def test_a_split_without_torchrun_says_what_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from aetheria.cli import main

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr("sys.argv", ["aetheria", "run", "quickstart", "--split", "2x2"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "`torchrun --nproc-per-node 4 -m aetheria run CONFIG --split 2x2` starts them" in capsys.readouterr().err
