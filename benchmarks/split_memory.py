"""One grid over many processes: the memory that each process takes, with noise as first cells, steps and a frame.

python -m benchmarks.split_memory --out benchmarks/results/split_memory.md
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from aetheria.laws import build_law
from aetheria.motor.motor import Aetheria_Motor
from benchmarks.harness.machine import publish
from benchmarks.harness.processes import ROOT
from benchmarks.harness.tables import table

_HEADER = "law, plan | grid | processes | cells of a window | MiB of its state | MiB taken by a process | of one process"
_STEPS = 8
_HALO_STEPS = 8
_FRAME = (256, 256)


@dataclass(frozen=True)
class Case:
    """A law, its settings, its plan, a side of its grid, and the bytes of a cell in the form that is stepped."""

    law: str
    settings: dict[str, Any]
    plan: str
    side: int
    cell_bytes: float


CASES = (
    Case("Life", {}, "packed", 12_288, 1 / 8),
    Case("Life", {}, "eager", 4096, 4),
    Case("GrowingNCA", {}, "fused", 1024, 64),
)


def taken(case: Case) -> dict[str, float]:
    """In each process of a group: the cells of the window and the MiB by which this process grew."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(), 1))
    _run(case, 256, mesh)  # loads code and kernels
    before = _peak()
    cells = _run(case, case.side, mesh)
    return {"cells": cells, "mib": _peak() - before}


def _run(case: Case, side: int, mesh: Any) -> int:
    """A run of a few steps with a frame; returns the cells of this process's window."""
    cfg = {"plan": case.plan, "halo_steps": _HALO_STEPS, "log_edits": False}
    law = build_law(case.law, **case.settings)
    with Aetheria_Motor(law, (side, side), None, "cpu", cfg, initial="noise", seed=1, mesh=mesh) as motor:
        assert motor.split is not None
        if not motor.split.leads:
            motor.follow()
        else:
            motor.step(_STEPS)
            motor.look(motor.request(None, _FRAME))
        return prod(motor.split.tile.window)


def _peak() -> float:
    """The most MiB of memory that this process had so far."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _measure(number: int, processes: int) -> list[dict[str, float]]:
    """What each process of a group of so many found, for a case."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "benchmarks.split_memory", "--case", str(number)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(found) != processes:
        raise RuntimeError(done.stderr)
    return found


def rows_of(number: int, groups: list[int]) -> list[list[str]]:
    """The rows of a case, one for each number of processes."""
    case, rows, first = CASES[number], [], 0.0
    for processes in groups:
        found = _measure(number, processes)
        most, cells = max(one["mib"] for one in found), max(one["cells"] for one in found)
        first = first or most
        name, grid = f"{case.law} {case.plan}", f"{case.side:,} x {case.side:,}"
        state = cells * case.cell_bytes / (1 << 20)
        rows.append([name, grid, str(processes), f"{cells:,.0f}", f"{state:,.0f}", f"{most:,.0f}", f"{most / first:.2f}"])
    return rows


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)  # in a process of a group
    wanted = parser.parse_args()
    if wanted.case is not None:
        torch.set_num_threads(1)
        dist.init_process_group("gloo")
        print(json.dumps(taken(CASES[wanted.case])), flush=True)
        dist.destroy_process_group()
        return
    rows = [row for number in range(len(CASES)) for row in rows_of(number, wanted.processes)]
    lines = [
        f"Noise as first cells, {_STEPS} steps (margins of {_HALO_STEPS} steps), a frame of {_FRAME[0]} x {_FRAME[1]} pixels.",
        "Memory: the most that was resident, above that of the same run on 256 x 256 cells before; of the process with most.",
        "",
    ]
    publish("Memory of split grids", [*lines, *table(_HEADER, rows)], wanted.out)


if __name__ == "__main__":
    main()
