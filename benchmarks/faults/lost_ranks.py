"""SIGKILL of a rank of a split run, which is then resumed on another split, compared with an uninterrupted run."""

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import aetheria.runs.split_run  # noqa: F401 - imported once, not in each child
from aetheria.cli import main
from aetheria.core.errors import AetheriaError
from aetheria.recording.tiled_recording import TiledRecording
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ROOT, ChildResult, fork_server, second_fork_server
from benchmarks.faults.ports import free_port
from benchmarks.faults.resumes import differences, result_of

LAWS = {
    "Life": ('name = "Life"', "eager"),
    "Ising": ('name = "Ising"', "eager"),
    "GrowingNCA": (f'name = "GrowingNCA"\nweights = "{ROOT}/configs/weights/growing_nca_lizard.safetensors"', "fused"),
}
SPLITS = ("1x2", "2x1")
_STEPS = 400
_MEAN_S = 0.7  # from the first change of the recording to the kill
_CONFIG = """
steps = {steps}
[grid]
height = 24
width = 20
[law]
{law}
[motor]
plan = "{plan}"
exact_sums = true
[record]
every = 3
format = "{format}"
[checkpoint]
every = {checkpoint}
"""


def run_rank(folder: str, rank: int, split: str, port: int) -> None:
    """One rank of the run in a folder, or of its resumption; on one process for an empty `split`.

    Prints a line when the recording changes.
    """
    recording = Path(folder) / "run.h5"
    before = _changed_at(recording)
    there = ["--resume", str(recording), "--from-start"]
    words = there if recording.exists() else [f"{folder}/run.toml", "--out", str(recording)]
    if split:
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        os.environ.update(place, MASTER_PORT=str(port))
        threading.Thread(target=_tell_change, args=(recording, before), daemon=True).start()
        words += ["--split", split]
    sys.argv = ["aetheria", "run", *words, "--quiet", "--device", "cpu"]
    main()


def _changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _tell_change(path: Path, before: int) -> None:
    while _changed_at(path) == before:
        time.sleep(0.002)
    print("begins", flush=True)


def lay_out(folder: Path, law: str, checkpoint: int, kind: str = "hdf5") -> None:
    """Writes the config of a run to a folder."""
    folder.mkdir()
    text, plan = LAWS[law]
    (folder / "run.toml").write_text(_CONFIG.format(law=text, plan=plan, steps=_STEPS, checkpoint=checkpoint, format=kind))


@cache
def uninterrupted(law: str, kind: str = "hdf5") -> tuple[list[Any], dict[str, Any]]:
    """The result of the uninterrupted run on one process."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(folder := Path(place) / "whole", law, _STEPS, kind)
        ended = _in_one_process(folder)
        if ended.code != 0:
            raise AssertionError(f"{ended}")
        return _result_of(folder)


def _in_one_process(folder: Path) -> ChildResult:
    return fork_server().run("benchmarks.faults.lost_ranks:run_rank", folder=str(folder), rank=0, split="", port=0)


def _result_of(folder: Path) -> tuple[list[Any], dict[str, Any]]:
    frames, end = result_of(folder)
    if (store := folder / "run.zarr").exists():
        frames = [*frames, *_full_frames(store)]
    # No law here draws from torch's generators, which are seeded differently in each process.
    return frames, {name: value for name, value in end.items() if not name.startswith("random")}


def _full_frames(store: Path) -> list[Any]:
    """Step and bytes of every committed frame at full resolution."""
    return [(frame.step, *(np.asarray(frame[name]).tobytes() for name in frame.fields)) for frame in TiledRecording(store)]


def _unlike_committed(folder: Path, law: str, kind: str) -> list[str]:
    """What is wrong with the store of a killed run: its committed frames are those of the uninterrupted one."""
    store = folder / "run.zarr"
    if kind != "zarr" or not (store / "step" / "c").exists():  # killed before its first frame
        return []
    try:
        found = _full_frames(store)
    except AetheriaError as error:
        return [f"after the kill: {error}"]
    frames = uninterrupted(law, kind)[0]
    wanted = frames[len(frames) // 2 :]  # after those of the recording
    return [] if found == wanted[: len(found)] else ["committed frames at full resolution differ after the kill"]


def _on_a_split(folder: Path, split: str, killed: int, delay: float) -> list[ChildResult]:
    """Runs or resumes on two processes, one of which is killed; returns the ends of both."""
    port = free_port()
    servers = (fork_server(), second_fork_server())
    for rank, server in enumerate(servers):
        signals = [(delay, signal.SIGKILL)] if rank == killed else []
        arguments: dict[str, Any] = {"folder": str(folder), "rank": rank, "split": split, "port": port}
        server.start("benchmarks.faults.lost_ranks:run_rank", signals=signals, from_word=True, **arguments)
    return [server.wait() for server in servers]


def killed_ranks(times: int, kind: str = "hdf5") -> FaultResult:
    """Kills a rank of a run on one split and of its resumption on another; one process then ends the run."""
    result, dice, number, at_end = FaultResult(), random.Random(31), 0, 0
    with tempfile.TemporaryDirectory() as place:
        while result.runs < times:
            law = tuple(LAWS)[number % len(LAWS)]
            lay_out(folder := Path(place) / str(number), law, dice.choice((20, 50)), kind)
            wrong = []
            for split in dice.sample(SPLITS, 2):
                killed = dice.randrange(2)
                ends = _on_a_split(folder, split, killed, dice.expovariate(1 / _MEAN_S))
                result.runs += ends[killed].code == -signal.SIGKILL
                at_end += ends[killed].code == 0
                wrong += _wrong_with_ends(ends, killed) + _unlike_committed(folder, law, kind)
            ended = _in_one_process(folder)
            done = ended.code == 0 or "is at its end" in ended.output
            wrong += _unlike(folder, law, kind) if done else [f"on one process: {ended}"]
            result.failures += [f"run {number}, {law}: {line}" for line in wrong]
            number += 1
            shutil.rmtree(folder)
    result.summary = f"{number} runs of {_STEPS:,} steps on two splits and one process, equal to the last bit"
    result.summary += f"; {at_end} ended before the kill" if at_end else ""
    return result


def _wrong_with_ends(ends: list[ChildResult], killed: int) -> list[str]:
    """What is wrong with the ends of two ranks, of which one was to be killed."""
    other = ends[1 - killed]
    if ends[killed].code != -signal.SIGKILL:
        good = [end.code for end in ends] == [0, 0] or any("is at its end" in end.output for end in ends)
        return [] if good else [f"{ends}"]
    finished = other.code == 0  # the rank was killed on its way out
    told = other.code == 7 and sum(line.startswith("error ") for line in other.output.splitlines()) == 1
    return [] if finished or told else [f"rank {killed} was killed, and the other ended so: {other}"]


def _unlike(folder: Path, law: str, kind: str) -> list[str]:
    try:
        wrong = differences(_result_of(folder), uninterrupted(law, kind))
    except (AetheriaError, AssertionError) as error:
        wrong = [f"{error}"]
    return wrong + [f"{path.name} is left" for path in folder.glob(".*")]


FAULTS = [
    Fault(
        "SIGKILL of a rank of a split run at random times, resumed on another split",
        "the other rank ends with one message and exit code 7; resumes to the bits of one process; nothing is left beside them",
        killed_ranks,
        few=2,
        many=100,
    ),
    Fault(
        "SIGKILL of a rank of a split run that writes frames at full resolution (Zarr), resumed on another split",
        "committed frames are readable after each kill, and resumes end in the frames and the state of one process, to the bit",
        partial(killed_ranks, kind="zarr"),
        few=2,
        many=100,
    ),
]
