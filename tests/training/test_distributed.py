"""Training in two processes equals training in one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from aetheria import MLP, Aetheria_Motor, Recorder, build_law
from aetheria.core.errors import ConfigError
from aetheria.training.distributed import Processes, join_processes
from tests.paths import ROOT
from tests.training import two_processes

PATIENCE_S = 100  # several times what it takes; processes that wait for each other wait for ever


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    """What each of two gloo processes found, and what their training left in the folder."""
    motor = Aetheria_Motor(MLP(1, 4, output_scale=0.3, normalise="none"), 12, 1, "cpu", {"plan": "eager"}, batch=4)
    with Recorder(motor, folder / "run.h5", fields=["cells"]):
        motor.step(8)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.training.two_processes", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as started:
        try:
            _, said = started.communicate(timeout=PATIENCE_S)
        finally:
            started.terminate()  # torchrun ends its processes when it is told to, not when it is killed
    assert started.returncode == 0, said
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_train_as_one_on_the_whole_batch(found: list[dict[str, Any]]) -> None:
    law, losses = two_processes.train(Processes(), seed=0)
    for rank in found:
        assert rank["losses"] == pytest.approx(losses, rel=1e-12)
        torch.testing.assert_close(rank["weights"], dict(law.state_dict()), rtol=1e-9, atol=1e-12)
    assert losses[0] != losses[-1]


def test_the_processes_stay_bit_identical(found: list[dict[str, Any]]) -> None:
    one, other = (rank["weights"] for rank in found)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_task_is_trained_by_both_and_written_once(found: list[dict[str, Any]], folder: Path) -> None:
    one, other = (rank["task"] for rank in found)
    written = load_file(folder / "task" / "weights.safetensors")
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert one.keys() == written.keys()
    assert float(one["update.weight"].abs().max()) > 0  # it began at 0


def test_gradients_are_those_of_torchs_own_wrapper(found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert len(rank["own"]) > 4
        torch.testing.assert_close(rank["own"], rank["ddp"], rtol=1e-12, atol=1e-15)


def test_one_process_leads_and_a_claim_of_one_reaches_all(found: list[dict[str, Any]]) -> None:
    assert [(rank["leads"], rank["size"], rank["any"]) for rank in found] == [
        (True, 2, [True, False]),
        (False, 2, [True, False]),
    ]


def test_two_processes_interrupted_and_resumed_leave_the_law_that_one_leaves(found: list[dict[str, Any]], folder: Path) -> None:
    assert len(found) == 2
    two_processes.learn(folder, Processes())
    one, two = (load_file(folder / name / "weights.safetensors") for name in ("learned1", "learned2"))
    before = build_law("MLP", d_state=1, hidden_channels=4, normalise="none", output_scale=0.1).state_dict()
    assert not torch.equal(one["hidden.weight"], before["hidden.weight"])
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def test_a_single_process_needs_no_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_processes("cpu") as processes:
        assert (processes.leads, processes.size, processes.device) == (True, 1, "cpu")
        assert processes.share([1, 2, 3]) == [1, 2, 3]
        assert processes.any(True)
        assert not processes.any(False)
        assert processes.mean(torch.tensor(2.0)) == 2
    assert not torch.distributed.is_initialized()


def test_shares_are_of_one_size_and_leave_nothing_out() -> None:
    parts = [Processes(rank, 3).share(range(12)) for rank in range(3)]
    assert sorted(sample for part in parts for sample in part) == list(range(12))
    assert {len(part) for part in parts} == {4}
    with pytest.raises(ConfigError, match="10 samples for 3 processes"):
        Processes(0, 3).share(range(10))


def test_a_device_by_number_is_refused_with_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ConfigError, match="with 2 processes; expected auto, cpu or cuda"), join_processes("cuda:0"):
        pass
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="1 CUDA devices for 2 processes or more"), join_processes():
        pass
