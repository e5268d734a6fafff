"""One rank of a split run that fails in some way; called in forked children by `test_leading`."""

import os
import sys
from collections.abc import Callable
from typing import Any

import psutil
import torch

from aetheria.cli import main
from aetheria.recording.growing_file import GrowingFile
from aetheria.split.cost import Link
from aetheria.split.tiled import Tiled
from aetheria.stepping import State

Advance = Callable[[Tiled, State, int, int], State]


def join(rank: int, port: int, *, agent: bool = True) -> None:
    """Sets the variables by which torchrun tells a process its place.

    Args:
        agent: the store is that of another process, as with torchrun; False: rank 0 holds it.
    """
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": str(agent)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def run_rank(rank: int, port: int, failure: str, words: list[str], agent: bool = True) -> None:
    """Runs `aetheria run` as a rank, in which something fails."""
    join(rank, port, agent=agent)
    advance = Tiled.advance

    def fails_after(self: Tiled, held: State, steps: int, first: int = 0) -> State:
        held = advance(self, held, steps, first)
        return FAILURES[failure](held) if first + steps >= 6 else held

    if failure in FAILURES and rank == 1:
        Tiled.advance = fails_after  # type: ignore[method-assign]
    if failure == "gone" and rank == 1:
        Link.measured = _gone  # type: ignore[method-assign, assignment]
    if failure == "full disk" and rank == 0:
        GrowingFile.append = _disk_is_full  # type: ignore[method-assign, assignment]
    sys.argv = ["aetheria", "run", *words, "--quiet", "--device", "cpu"]
    main()


def _nan(held: State) -> State:
    held[0].fill_(torch.nan)
    return held


def _out_of_memory(_: State) -> State:
    raise torch.OutOfMemoryError("out of memory: tried to allocate 20 GiB")


FAILURES: dict[str, Callable[[State], State]] = {"nan": _nan, "out of memory": _out_of_memory}


def _disk_is_full(*_: Any) -> None:
    psutil.disk_usage = lambda _: type("Usage", (), {"free": 100})
    raise RuntimeError("unable to write")  # how HDF5 puts it


def _gone(*_: Any) -> None:
    os._exit(9)
