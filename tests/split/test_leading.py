"""What rank 0 does alone while the others follow; and whatever ends a rank ends all, with one message and its exit code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from aetheria import Recording
from aetheria.runs.run import run
from benchmarks.faults.fork_server import ForkServer
from benchmarks.faults.ports import free_port
from tests.split.two_processes import config_of

Pair = tuple[ForkServer, ForkServer]


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    pair = (ForkServer(), ForkServer())
    yield pair
    for server in pair:
        server.close()


def ends_of(servers: Pair, task: str, **arguments: Any) -> tuple[list[int | None], str]:
    """Exit codes of both ranks, and all they said."""
    if arguments.get("agent", True):
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        port = store.port
    else:
        port = free_port()
    for rank, server in enumerate(servers):
        server.start(f"tests.split.{task}", rank=rank, port=port, **arguments)
    ends = [server.wait() for server in servers]
    return [end.code for end in ends], "".join(end.output for end in ends)


@pytest.mark.parametrize(
    ("failure", "split", "code", "message"),
    [
        ("nan", "1x2", 4, "diverged: GrowingNCA: cells hold NaN or Inf at step 6"),
        ("out of memory", "2x1", 2, "GrowingNCA: out of memory; use a smaller grid"),
        ("full disk", "2x1", 3, "the disk is full"),
        ("narrow", "2x1", 2, "fewer than its margin of 26"),
        ("mesh", "3x1", 2, "--split 3 x 1: 3 processes wanted, and torchrun started 2; `torchrun --nproc-per-node 3"),
        ("exists", "2x1", 2, "exists"),
    ],
)
def test_a_rank_that_fails_ends_all(servers: Pair, tmp_path: Path, failure: str, split: str, code: int, message: str) -> None:
    config = config_of(
        200,
        {"name": "GrowingNCA", "channels": 4, "hidden_channels": 8},
        motor={"plan": "eager", "halo_steps": 13 if failure == "narrow" else 2},
    )
    (tmp_path / "run.toml").write_text(config.to_toml())
    out = tmp_path / "run.h5"
    if failure == "exists":
        out.touch()
    words = [str(tmp_path / "run.toml"), "--out", str(out), "--split", split]
    codes, said = ends_of(servers, "failing_rank:run_rank", failure=failure, words=words)
    assert codes == [code, code], said
    assert sum(line.startswith(("error", "diverged")) for line in said.splitlines()) == 1, said
    assert message in " ".join(said.split())
    if failure in ("nan", "out of memory"):
        with Recording(out) as recording:
            assert list(recording.steps) == [0, 3]


def test_a_rank_that_goes_while_the_motor_is_built_ends_all(servers: Pair, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(config_of(9, {"name": "Life"}).to_toml())
    words = [str(tmp_path / "run.toml"), "--out", str(tmp_path / "run.h5"), "--split", "2x1"]
    codes, said = ends_of(servers, "failing_rank:run_rank", failure="gone", words=words)
    assert codes == [7, 9], said
    assert said.startswith("error split: a process was lost"), said
    assert len(said.strip().splitlines()) == 1, said


def test_a_finished_run_that_is_resumed_without_torchrun_has_one_message(servers: Pair, tmp_path: Path) -> None:
    run(config_of(6, {"name": "Life"}, checkpoint={"every": 3}), out := tmp_path / "run.h5", device="cpu")
    words = ["--resume", str(out), "--split", "2x1"]
    codes, said = ends_of(servers, "failing_rank:run_rank", failure="none", words=words, agent=False)
    assert codes == [2, 2], said
    assert "is at its end, step 6" in " ".join(said.split())
    assert sum(line.startswith("error") for line in said.splitlines()) == 1, said
    assert "lost" not in said


@pytest.fixture(scope="module")
def led(servers: Pair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    """What rank 0 found on two processes and on one."""
    folder = tmp_path_factory.mktemp("led")
    codes, said = ends_of(servers, "leading_rank:run_rank", folder=str(folder))
    assert codes == [0, 0], said
    found: dict[str, list[list[Any]]] = json.loads((folder / "results.json").read_text())
    return found


def test_a_window_on_rank_0_shows_the_grid_of_one_process(led: dict[str, list[list[Any]]]) -> None:
    split, one = led["live view"]
    assert [(step, shape) for step, _, shape, _ in split] == [(7, [12, 10]), (11, [14, 9])]
    assert split == one


def test_subscriptions_of_rank_0_are_those_of_one_process(led: dict[str, list[list[Any]]]) -> None:
    split, one = led["subscriptions"]
    assert [step for step, _ in split] == [0, 2, 4, 6, 8, 10, 0, 5, 10]
    assert split == one


def test_edits_of_rank_0_alone_reach_the_others(led: dict[str, list[list[Any]]]) -> None:
    split, one = led["edits"]
    assert split == one
    assert "21" in split[0]


def test_observables_of_real_values_are_those_of_one_process_to_the_last_bit(led: dict[str, list[list[Any]]]) -> None:
    split, one = led["masses"]
    assert split == one
    assert split[0] != split[-1]


def test_a_mesh_of_another_size_than_the_world_is_refused(servers: Pair) -> None:
    codes, said = ends_of(servers, "leading_rank:run_small_mesh")
    assert codes == [0, 0], said
    assert said.splitlines() == ["mesh: 1 processes given; there are 2, and all of them must take part"] * 2
