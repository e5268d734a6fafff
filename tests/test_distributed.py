"""Two processes train as one does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from aetheria.errors import ConfigError
from aetheria.training.distributed import Team, team
from tests import two_processes

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two gloo processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.two_processes", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_train_as_one_on_the_whole_batch(found: list[dict[str, Any]]) -> None:
    law, losses = two_processes.train(Team(), seed=0)
    for rank in found:
        assert rank["losses"] == pytest.approx(losses, rel=1e-12)
        torch.testing.assert_close(rank["weights"], dict(law.state_dict()), rtol=1e-9, atol=1e-12)
    assert losses[0] != losses[-1]


def test_the_processes_stay_bit_identical(found: list[dict[str, Any]]) -> None:
    one, other = (rank["weights"] for rank in found)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_gradients_are_those_of_torchs_own_wrapper(found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert len(rank["own"]) > 4
        torch.testing.assert_close(rank["own"], rank["ddp"], rtol=1e-12, atol=1e-15)


def test_one_leads_and_what_one_says_all_hear(found: list[dict[str, Any]]) -> None:
    assert [(rank["leads"], rank["size"], rank["any"]) for rank in found] == [
        (True, 2, [True, False]),
        (False, 2, [True, False]),
    ]


def test_one_process_alone_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with team("cpu") as us:
        assert (us.leads, us.size, us.device) == (True, 1, "cpu")
        assert us.share([1, 2, 3]) == [1, 2, 3]
        assert us.any(True)
        assert not us.any(False)
        assert us.mean(torch.tensor(2.0)) == 2
    assert not torch.distributed.is_initialized()


def test_shares_are_of_one_size_and_leave_nothing_out() -> None:
    parts = [Team(rank, 3).share(range(12)) for rank in range(3)]
    assert sorted(sample for part in parts for sample in part) == list(range(12))
    assert {len(part) for part in parts} == {4}
    with pytest.raises(ConfigError, match="10 samples for 3 processes"):
        Team(0, 3).share(range(10))


def test_a_device_by_number_is_refused_with_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ConfigError, match="with 2 processes; expected auto, cpu or cuda"), team("cuda:0"):
        pass
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="1 CUDA devices for 2 processes or more"), team():
        pass
