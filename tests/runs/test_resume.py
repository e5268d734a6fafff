"""Resumed runs equal uninterrupted ones; runs that cannot be resumed are refused."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from aetheria.cli import app
from aetheria.core.errors import AetheriaError, ConfigError, DiskFullError, RecordingError, StateError
from aetheria.core.failpoints import on_failpoints
from aetheria.core.rng_state import NAMES
from aetheria.laws import registry
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.recording.growing_file import GrowingFile
from aetheria.runs.checkpoint import checkpoints_of, path_of
from aetheria.runs.config import RunConfig
from aetheria.runs.resume import resume
from aetheria.runs.run import build_motor, run
from aetheria.runs.signals import Interrupted
from aetheria.runs.state_file import read_state
from aetheria.runs.verify import verify
from tests.paths import ROOT

WEIGHTS = ROOT / "configs" / "weights" / "growing_nca_lizard.safetensors"
LAWS: dict[str, dict[str, Any]] = {
    "Life": {"name": "Life"},
    "GrowingNCA": {"name": "GrowingNCA", "weights": str(WEIGHTS)},
    "ConvLSTM": {"name": "ConvLSTM", "d_state": 2, "hidden_channels": 4, "output_scale": 0.1},
}


def config_of(named: str = "Life", **changes: Any) -> RunConfig:
    values: dict[str, Any] = {
        "steps": 40,
        "grid": {"height": 16, "width": 20},
        "law": LAWS[named],
        "motor": {"plan": "eager"},
        "record": {"every": 3},
        "checkpoint": {"every": 10},
    }
    return RunConfig.checked(values | changes, "")


def result_of(path: Path) -> tuple[list[Any], dict[str, torch.Tensor]]:
    """Step, edits and bytes of every frame, and the tensors of the newest checkpoint."""
    with Recording(path) as recording:
        frames = [(f.step, f.edits, *(np.asarray(f[name]).tobytes() for name in f.fields)) for f in recording]
    tensors = dict(read_state(checkpoints_of(path)[0]).tensors)
    for name in NAMES:
        tensors.pop(name, None)
    return frames, tensors


def equal(one: Path, other: Path) -> bool:
    (frames, state), (others, other_state) = result_of(one), result_of(other)
    same = state.keys() == other_state.keys() and all(torch.equal(state[name], other_state[name]) for name in state)
    return same and frames == others


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def signalled(number: int, failpoint: str, times: int = 1, nth: int = 1) -> Callable[[str], None]:
    """Sends this process a signal when it reaches a failpoint."""
    seen = 0

    def act(reached: str) -> None:
        nonlocal seen
        seen += reached == failpoint
        if reached == failpoint and seen == nth:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return act


@pytest.mark.parametrize("law", LAWS)
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(path: Path, law: str) -> None:
    whole = path.with_name("whole.h5")
    run(config_of(law), whole)
    with on_failpoints(signalled(signal.SIGINT, "file verified", nth=2)):
        outcome = run(config_of(law), path)
    assert (outcome.status, outcome.exit_code, outcome.steps) == ("interrupted", 130, 20)
    torch.rand(7)
    outcome = resume(path)
    assert (outcome.status, outcome.steps, outcome.frames) == ("done", 40, 14)
    assert equal(path, whole)


@pytest.mark.parametrize(("law", "plan"), [("Life", "packed"), ("GrowingNCA", "fused")])
def test_the_plan_is_the_one_that_was_used(path: Path, law: str, plan: str) -> None:
    whole = path.with_name("whole.h5")
    auto = config_of(law, motor={"plan": "auto", "planned_steps": 10**9})
    assert run(auto, whole).steps == 40
    run(auto.model_copy(update={"steps": 20}), path)
    used: list[str] = []
    resume(path, steps=40, progress=lambda now: used.append(now.motor.plan.name if now.motor.plan else ""))
    assert set(used) == {plan}
    assert equal(path, whole)


class Drifts(torch.nn.Module):
    """A law that draws from generators which others use too."""

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        by_chance = torch.randn_like(cells)
        if cells.device.type == "cpu":
            by_chance *= random.gauss() + float(np.random.standard_normal())  # noqa: NPY002 - as such a law does
        return cells + by_chance


def seeded(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.gauss(), np.random.standard_normal()  # noqa: NPY002 - each keeps a second number for the next time


def test_random_numbers_of_a_users_law_are_resumed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.runs.run.build_law", lambda *_, **__: Drifts())
    config = config_of(d_state=1, initial={"kind": "noise"})
    seeded(4)
    run(config, path.with_name("whole.h5"))
    seeded(4)
    run(config.model_copy(update={"steps": 20}), path)
    seeded(5)
    resume(path, steps=40)
    assert equal(path, path.with_name("whole.h5"))


@pytest.mark.gpu
def test_on_a_gpu_too_with_random_numbers_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.runs.run.build_law", lambda *_, **__: Drifts())
    config = config_of(d_state=1, initial={"kind": "noise"}, device="cuda")
    torch.manual_seed(4)
    run(config, path.with_name("whole.h5"))
    torch.manual_seed(4)
    run(config.model_copy(update={"steps": 20}), path)
    torch.manual_seed(5)
    resume(path, steps=40)
    (frames, state), (wanted, wanted_state) = result_of(path), result_of(path.with_name("whole.h5"))
    assert frames == wanted
    assert torch.equal(state["cells"], wanted_state["cells"])


def test_a_run_that_was_killed_as_it_closed_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(GrowingFile, "clear_writer_mark", lambda _: None)
        run(config_of(), path)
    before = result_of(path)[0]
    with Recording(path) as recording:
        assert (recording.status, "was killed" in recording.note) == ("done", True)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path)
    assert resume(path).status == "done"
    with Recording(path) as recording, h5py.File(path) as file:
        assert (recording.status, recording.note, len(file["step"])) == ("done", "", len(before))
    assert result_of(path)[0] == before
    with pytest.raises(ConfigError, match="is at its end, step 40; --steps with a larger number continues the run"):
        resume(path)


def test_a_resume_of_a_run_at_its_end_takes_the_lock_of_a_killed_writer_away(path: Path) -> None:
    run(config_of(), path)
    path.with_name(f".{path.name}.lock").touch()  # as a kill leaves it between the last frame and the end of the process
    with pytest.raises(ConfigError, match="is at its end"):
        resume(path)
    assert not [*path.parent.glob(".*")]


def test_a_run_that_was_killed_while_it_wrote_its_picture_is_resumed_to_its_end(path: Path) -> None:
    run(config_of(), path)
    whole, picture = path.with_name("whole.h5"), path.with_suffix(".png")
    shown = picture.read_bytes()
    run(config_of(), whole)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    picture.rename(path.with_name(f".{path.stem}.{ended.pid}-0123456789abcdef.png"))
    assert resume(path).status == "done"
    assert equal(path, whole)
    assert picture.read_bytes() == shown
    assert not [*path.parent.glob(".*")]
    with pytest.raises(ConfigError, match="is at its end"):
        resume(path)


def test_a_finished_run_can_take_more_steps_but_not_fewer(path: Path) -> None:
    run(config_of(), path)
    with pytest.raises(ConfigError, match="is at its end, step 40; --steps with a larger number continues the run"):
        resume(path)
    with pytest.raises(ConfigError, match="is at its end, step 40"):
        resume(path, steps=30)
    assert resume(path, steps=75).status == "done"
    run(config_of(steps=75), path.with_name("whole.h5"))
    assert equal(path, path.with_name("whole.h5"))
    with on_failpoints(signalled(signal.SIGTERM, "file written", nth=3)):
        assert resume(path, steps=200).exit_code == 143
    with pytest.raises(ConfigError, match="--steps 60 given; expected 90 or more, which are done"):
        resume(path, steps=60)
    assert resume(path).steps == 200, "the steps last asked for were forgotten"


def test_without_a_checkpoint_frames_are_made_again_only_on_request(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(config_of(checkpoint={"every": 0, "minutes": 0}), path)
    assert not checkpoints_of(path)
    ended(path, "running")
    with Recording(path) as recording:
        expected = [frame["channel_0"].copy() for frame in recording]
    with pytest.raises(RecordingError, match=r"there is no checkpoint beside it; --from-start .* makes its 14 frames again"):
        resume(path)
    assert resume(path, from_start=True).status == "done"
    assert "begins again with step 0" in caplog.text
    with Recording(path) as recording:
        assert all(map(np.array_equal, expected, (frame["channel_0"] for frame in recording)))


def ended(path: Path, status: str) -> None:
    """Says of a recording that it ended otherwise than it did."""
    with h5py.File(path, "r+") as file:
        file["status"][()] = status.encode()


def test_it_falls_back_to_the_older_checkpoint_and_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(config_of(), path.with_name("whole.h5"))
    with on_failpoints(signalled(signal.SIGINT, "file verified", nth=3)):
        run(config_of(), path)
    newest = path_of(path, 30)
    newest.write_bytes(newest.read_bytes()[:-3])
    assert resume(path).status == "done"
    assert f"{newest}: cannot be read as a saved state" in caplog.text
    assert equal(path, path.with_name("whole.h5"))


def test_differences_of_provenance_are_named(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(config_of(), path)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert resume(path, steps=50).status == "done"
    finally:
        torch.set_num_threads(threads)
    assert f"resumed under other conditions, and not equal to the last bit: threads {threads}, now {threads + 1}" in caplog.text
    caplog.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.__version__", "1.2.3")
        resume(path, steps=60)
    assert "torch 2." in caplog.text
    assert "now 1.2.3" in caplog.text


def test_other_weights_are_refused_before_anything_is_touched(path: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(WEIGHTS.read_bytes())
    run(config_of(law={"name": "GrowingNCA", "weights": str(weights)}), path)
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(StateError, match="the law's weights are not those of the checkpoint"):
        resume(path, steps=50)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def steered(path: Path, steps: int) -> Aetheria_Motor:
    """A run that is painted on and steered as from a viewer: some edits come before the frame of their step, some after."""
    config = config_of("GrowingNCA", checkpoint={"every": 0, "minutes": 0}, steps=steps)
    motor = build_motor(config)
    patch = torch.full((16, 3, 3), 0.5)
    motor.step(2)
    motor.set_cells(patch, at=(1, 1))
    recorder = Recorder(motor, path, every=3, fields=["rgb"], config=config.to_toml())
    with recorder:
        for step in range(2, steps):
            if step == 9:  # a viewer's thread may be served before the frame is made
                motor.step(0)
                with motor.unseen():
                    motor.step(1)
                motor.set_cells(patch, at=(9, 9))
                motor.set_control("fire_rate", 0.7)
                continue
            motor.step(1)
            if step in (5, 13, 14):
                motor.set_cells(patch * step, at=(step % 10, 2))
    return motor


def test_edits_are_repeated_at_their_steps(path: Path) -> None:
    motor = steered(path, 24)
    with Recording(path) as recording:
        before = [(f.step, f.edits, f["rgb"].tobytes()) for f in recording]
        edits = recording.edits
    assert [step for step, *_ in before] == [3, 6, 9, 12, 15, 18, 21, 24]
    ended(path, "running")
    assert resume(path, steps=24, from_start=True).status == "done"
    with Recording(path) as recording:
        assert [(f.step, f.edits, f["rgb"].tobytes()) for f in recording] == before
        assert [edit.step for edit in recording.edits] == [edit.step for edit in edits]
    again = build_motor(config_of("GrowingNCA"))
    again.load_state_dict(motor.state_dict())
    ended(path, "running")
    assert resume(path, steps=30, from_start=True).steps == 30


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_skips_the_checkpoint_and_closes_the_recording(path: Path, number: int, code: int) -> None:
    with on_failpoints(signalled(number, "file written", times=2, nth=2)):
        outcome = run(config_of(), path)
    assert (outcome.exit_code, outcome.steps) == (code, 20)
    assert [file.name for file in checkpoints_of(path)] == ["run.h5.checkpoint-10.safetensors"]
    with Recording(path) as recording:
        assert recording.status == "interrupted"
        assert recording.steps[-1] == 18
    assert not list(path.parent.glob(".*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_step_leaves_nothing(path: Path, number: int, code: int) -> None:
    with pytest.raises(Interrupted) as caught:
        run(config_of(), path, started=lambda _: os.kill(os.getpid(), number))
    assert caught.value.exit_code == code
    assert not list(path.parent.iterdir())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_in_another_thread_signals_are_left_alone(path: Path) -> None:
    outcomes: list[Any] = []
    thread = threading.Thread(target=lambda: outcomes.append(run(config_of(), path)))
    thread.start()
    thread.join()
    assert outcomes[0].status == "done"


def test_a_diverging_run_keeps_its_last_good_checkpoint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Explodes(torch.nn.Module):
        def forward(self, cells: torch.Tensor) -> torch.Tensor:
            return torch.where(cells >= 25, torch.nan, cells + 1)

    monkeypatch.setattr("aetheria.runs.run.build_law", lambda *_, **__: Explodes())
    config = config_of(d_state=1, initial={"kind": "noise"}, record={"every": 100})
    outcome = run(config, path)
    assert (outcome.status, outcome.exit_code) == ("diverged", 4)
    assert read_state(checkpoints_of(path)[0]).description.step == 20
    with Recording(path) as recording:
        assert recording.status == "diverged"


def test_a_full_disk_at_a_checkpoint_ends_the_run_with_its_frames(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("aetheria.runs.state_file.save_file", full)
        with pytest.raises(DiskFullError, match=r"checkpoint-10\.safetensors: the disk is full"):
            run(config_of(), path)
    with Recording(path) as recording:
        assert (recording.status, list(recording.steps)) == ("disk full", [0, 3, 6, 9])
    assert resume(path, from_start=True).status == "done"


def test_the_command_line_resumes_and_reports(path: Path) -> None:
    toml = path.with_suffix(".toml")
    toml.write_text(config_of().to_toml())
    with on_failpoints(signalled(signal.SIGINT, "file verified", nth=2)):
        result = call("run", toml, "--out", path)
    assert result.exit_code == 130
    assert f"run --resume {path}" in result.output.replace("\n", "")
    assert call("run", "--resume", path).exit_code == 0
    result = call("run", "--resume", path, "--steps", 60)
    assert (result.exit_code, "60/60" in result.output) == (0, True)
    for arguments, words in [
        ((), "expected a CONFIG, or --resume RECORDING.h5"),
        ((toml, "--resume", path), "--resume: CONFIG given too"),
        (("--resume", path, "--overwrite"), "--resume: --overwrite given too"),
        (("--resume", path, "--set", "seed=2"), "--resume: --set given too"),
        ((toml, "--from-start"), "--resume RECORDING.h5 with --from-start"),
        (("--resume", path.with_name("no.h5")), "no such file"),
    ]:
        error = call("run", *arguments).exception
        assert isinstance(error, AetheriaError)
        assert words in str(error)


def test_a_run_in_progress_is_refused(path: Path) -> None:
    refused: list[str] = []

    def meanwhile(failpoint: str) -> None:
        if failpoint == "old checkpoints gone" and not refused:
            with pytest.raises(RecordingError) as caught:
                resume(path)
            refused.append(str(caught.value))

    with on_failpoints(meanwhile):
        assert run(config_of(), path).status == "done"
    assert refused == [f"{path}: is being written; a run can be resumed when it has ended"]


def test_a_law_with_state_of_its_own_is_resumed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that is lost, or advanced twice, would change every later cell."""
    point = EntryPoint("Counting", "tests.runs.test_state_file:Counting", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    changes: dict[str, Any] = {"law": {"name": "Counting"}, "d_state": 1, "initial": {"kind": "noise"}}
    run(config_of(**changes), path.with_name("whole.h5"))
    with on_failpoints(signalled(signal.SIGINT, "file verified", nth=2)):
        assert run(config_of(**changes), path).status == "interrupted"
    assert resume(path).status == "done"
    assert equal(path, path.with_name("whole.h5"))
    with Recording(path) as recording:
        assert verify(recording).identical
