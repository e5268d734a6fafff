"""Two processes of a split grid, started by tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.faults.ports import free_port
from tests.paths import ROOT

PATIENCE_S = 300  # many times what it takes; processes that wait for each other wait for ever


@contextmanager
def pair_of_processes(command: list[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes of a split grid, started as torchrun would, which itself takes seconds to start."""
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared = os.environ | place | {"OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    started = [
        subprocess.Popen(command, env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, **pipes) for rank in range(2)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()
