"""SIGKILL of a process of a split run while checkpoints are written, between their parts and the list of these among others.

The run is resumed on another split and compared with an uninterrupted one. Kills at random times: `lost_ranks`.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aetheria import Recording
from aetheria.cli import main
from aetheria.core.errors import AetheriaError
from aetheria.core.failpoints import on_failpoints
from aetheria.files.atomic import FAILPOINTS
from aetheria.runs.checkpoint import checkpoints_of
from aetheria.runs.state_file import read_state
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ChildResult, ForkServer, fork_server, second_fork_server
from benchmarks.faults.ports import free_port

LAWS = ("Life", "Ising")
SPLITS = ("2x1", "1x2", "")  # none: one process
_LOST = 7  # exit code of the process that remains
_SOON_S = 30.0  # by when the other process must have ended; it waits two for the word of one that failed
_CONFIG = """
steps = 60
seed = 3
grid = {{ height = 24, width = 20 }}
law = {{ name = "{law}" }}
motor = {{ plan = "eager" }}
record = {{ every = 3 }}
checkpoint = {{ every = 10 }}
"""


def run_rank(folder: str, rank: int, port: int, split: str, failpoint: str = "", nth: int = 1) -> None:
    """Runs, or resumes, the config in a folder by the command line, as one process of a split.

    Args:
        split: as for --split; empty for one process.
        failpoint: this process is killed when it is reached for the `nth` time.
    """
    recording = Path(folder) / "run.h5"
    resumed = recording.exists()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank)}
    if split:
        os.environ["WORLD_SIZE"] = "2"
    given = ["--resume", str(recording), "--from-start"] if resumed else [f"{folder}/run.toml", "--out", str(recording)]
    sys.argv = ["aetheria", "run", *given, "--device", "cpu", "--quiet", *(["--split", split] if split else [])]
    count = 0

    def act(now: str) -> None:
        nonlocal count
        count += now == failpoint
        if now == failpoint and count == nth:
            recording.with_name("killed").write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)

    with on_failpoints(act):
        main()


def run_split(folder: Path, split: str, killed: dict[int, dict[str, Any]] | None = None) -> list[ChildResult]:
    """Runs or resumes on a split of two processes, or on one; the ends of all.

    Args:
        killed: failpoint and nth, by the rank that is killed.
    """
    port = free_port()
    servers: list[ForkServer] = [fork_server(), second_fork_server()][: 2 if split else 1]
    for rank, server in enumerate(servers):
        order = {"folder": str(folder), "rank": rank, "port": port, "split": split, **(killed or {}).get(rank, {})}
        server.start("benchmarks.faults.split_kills:run_rank", timeout_s=120.0, **order)
    return [server.wait() for server in servers]


def result_of(folder: Path) -> tuple[list[Any], dict[str, Any]]:
    """Step and bytes of every frame of a finished run; cells, memory and step of its last state."""
    with Recording(folder / "run.h5") as recording:
        if recording.status != "done":
            raise AssertionError(f"the run is {recording.status}")
        frames = [(frame.step, *(np.asarray(frame[name]).tobytes() for name in frame.fields)) for frame in recording]
    last = read_state(checkpoints_of(folder / "run.h5")[0])
    own = {name: tensor for name, tensor in last.tensors.items() if not name.startswith("random_")}
    return frames, {"step": torch.tensor(last.description.step), **own}


@cache
def uninterrupted(law: str) -> tuple[list[Any], dict[str, Any]]:
    """The result of one process."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(folder := Path(place) / "one", law)
        (ended,) = run_split(folder, "")
        if ended.code != 0:
            raise AssertionError(f"{ended}")
        return result_of(folder)


def lay_out(folder: Path, law: str) -> None:
    """Writes the config of a run to a folder."""
    folder.mkdir()
    (folder / "run.toml").write_text(_CONFIG.format(law=law))


def differences(folder: Path, law: str) -> list[str]:
    """What a finished run differs in from an uninterrupted one, in at most one line."""
    try:
        frames, end = result_of(folder)
    except (AetheriaError, AssertionError) as error:
        return [str(error)]
    wanted, wanted_end = uninterrupted(law)
    if frames != wanted:
        return ["its frames differ"]
    same = end.keys() == wanted_end.keys() and all(torch.equal(value, wanted_end[name]) for name, value in end.items())
    left = [path.name for path in folder.iterdir() if path.name.startswith(".run.h5") or _is_unlisted(path, folder)]
    return ([] if same else ["its last state differs"]) + [f"{name} is left" for name in left]


def _is_unlisted(path: Path, folder: Path) -> bool:
    """Whether a file is a part that no checkpoint beside it has by name."""
    return ".part-" in path.name and not any(
        path.name.startswith(f"{one.stem}.part-") for one in checkpoints_of(folder / "run.h5")
    )


def kills(times: int) -> FaultResult:
    """Kills a process at each failpoint of its part in turn, and rank 0 at those of the list; then resumes on another split."""
    result, dice, slowest = FaultResult(), random.Random(21), 0.0
    with tempfile.TemporaryDirectory() as place:
        for number in range(times):
            law, split, rank = LAWS[number % len(LAWS)], SPLITS[number // 2 % 2], dice.randrange(2)
            lay_out(folder := Path(place) / str(number), law)
            way = {"failpoint": FAILPOINTS[number % len(FAILPOINTS)], "nth": dice.randrange(1, 11 if rank == 0 else 6)}
            ended = run_split(folder, split, {rank: way})
            result.runs += 1
            wrong, seconds = _after_kill(folder, rank, ended)
            slowest = max(slowest, seconds)
            other = dice.choice([one for one in SPLITS if one != split])
            wrong += [f"resumed on {other or 'one process'}: {one}" for one in run_split(folder, other) if one.code]
            where = f"{law} on {split}, rank {rank}, {way}: "
            result.failures += [where + line for line in wrong or differences(folder, law)]
            shutil.rmtree(folder)
    result.summary = f"the other process ended within {slowest:.1f} s; equal to the last bit"
    return result


def _after_kill(folder: Path, rank: int, ended: list[ChildResult]) -> tuple[list[str], float]:
    """What is wrong with the ends of a run, and seconds from the kill to the end of the other process."""
    killed, other = ended[rank], ended[1 - rank]
    good = (killed.code, other.code, (killed.output + other.output).count("error")) == (-signal.SIGKILL, _LOST, 1)
    seconds = time.time() - float((folder / "killed").read_text()) if good else 0.0
    return [] if good and seconds < _SOON_S else [f"after {seconds:.1f} s: {ended}"], seconds


FAULTS = [
    Fault(
        "SIGKILL of a process of a split run at each failpoint of a checkpoint, resumed on another split",
        "the other ends within seconds with one message and exit code 7; resumes to the frames and the state of one process",
        kills,
        few=2,
        many=50,
    )
]
