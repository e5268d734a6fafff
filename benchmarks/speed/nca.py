"""Every configuration of the configurable NCA in the fused plan, by turns with `GrowingNCA` in one process.

python -m benchmarks.speed.nca --out benchmarks/results/nca.md
python -m benchmarks.speed.nca --before FOLDER   # beside GrowingNCA of another checkout, too
python -m benchmarks.speed.nca --quick           # takes seconds: a check that it works
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from aetheria import build_law
from aetheria.laws import NCA
from aetheria.stepping.cpu.local_network import FusedOnCpu
from aetheria.stepping.plan import State
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import QUICK, printed, table

_TURNS = 9
_CELLS = 1 << 16
GRIDS = {1: (_CELLS,), 2: (256, 256), 3: (32, 32, 64)}
CASES: dict[str, dict[str, Any]] = {
    "growing, zero edges": {"boundary": "zero"},
    "growing, 32 channels": {"channels": 32},
    "growing, hidden 64": {"hidden_channels": 64},
    "growing, hidden 32": {"hidden_channels": 32},
    "growing, hidden 256": {"hidden_channels": 256},
    "growing, hidden 64 and 64": {"hidden_channels": [64, 64]},
    "growing, one axis": {"rank": 1},
    "growing, three axes": {"rank": 3},
    "texture": {"preset": "texture"},
    "isotropic": {"preset": "isotropic"},
    "conditional (inputs, mask)": {"preset": "conditional"},
    "diffusing": {"preset": "diffusing"},
    "arc_1d": {"preset": "arc_1d"},
    "self_classifying (learned, kept)": {"preset": "self_classifying"},
    "learned 3x3, 48 kernels": {"perception": ["learned"], "kernels": 48},
    "learned 3x3 beside others": {"perception": ["identity", "sobel", "learned"], "kernels": 32},
    "steerable": {"preset": "steerable"},
    "ELU": {"activation": "elu"},
    "tanh": {"activation": "tanh"},
    "SiLU": {"activation": "silu"},
}
_HEAD = (
    "configuration | grid | multiplications a cell | ms/step | Mcell/s | GFLOP/s | x GrowingNCA, per cell | "
    "x GrowingNCA, per multiplication"
)
_HEAD_BEFORE = "x GrowingNCA of {}, per cell | x GrowingNCA of {}, per multiplication"
# Reads numbers of steps, and writes the processor time of one.
_ANSWER = """
import sys, torch
from aetheria import build_law
from benchmarks.speed.nca import Stepping
torch.set_num_threads(int(sys.argv[1]))
with torch.inference_mode():
    known = Stepping(build_law("GrowingNCA", seed=0), int(sys.argv[2]))
    for line in sys.stdin:
        print(known.seconds(int(line)), flush=True)
"""


class Stepping:
    """A law in the fused plan, on cells that all live and, as the last layer of an untrained law is 0, stay as they are."""

    def __init__(self, law: NCA, shrink: int) -> None:
        self.grid = tuple(max(8, side // shrink) for side in GRIDS[law.rank])
        cells = 0.2 + torch.rand(1, law.channels, *self.grid, generator=torch.Generator().manual_seed(0))
        self.plan = FusedOnCpu(law)
        self.held: State = self.plan.pack((cells, *law.initial_memory(cells, 1)))
        network = law.cell_network()
        assert network is not None
        self.products = network.products

    def seconds(self, steps: int) -> float:
        """Processor time of a step, in all threads."""
        began = time.process_time()
        self.held = self.plan.advance(self.held, steps)
        return (time.process_time() - began) / steps


class Checkout:
    """`GrowingNCA` of another checkout, in a process of its own that steps when it is told to."""

    def __init__(self, folder: Path, shrink: int) -> None:
        command = [sys.executable, "-c", _ANSWER, str(torch.get_num_threads()), str(shrink)]
        environment = os.environ | {"PYTHONPATH": str(folder.resolve())}
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        commit = ("git", "-C", str(folder), "rev-parse", "--short", "HEAD")
        self.name = subprocess.run(commit, capture_output=True, text=True, check=True).stdout.strip()

    def seconds(self, steps: int) -> float:
        """Processor time of a step."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


@torch.inference_mode()
def measure(name: str, given: dict[str, Any], steps: int, shrink: int, before: Checkout | None = None) -> list[str]:
    """A row of the table: medians of turns, in which GrowingNCA and this law step one after the other."""
    laws = (build_law("GrowingNCA", seed=0), build_law("NCA", seed=0, **given))
    known, own = (Stepping(law, shrink) for law in laws if isinstance(law, NCA))
    contestants = (own, known, *((before,) if before else ()))
    for each in contestants:
        each.seconds(2)
    turns = [[each.seconds(steps) for each in contestants] for _ in range(_TURNS)]
    seconds = statistics.median(turn[0] for turn in turns)
    cells = math.prod(own.grid)
    fired = 0.5 * own.products * cells
    row = [
        name,
        " x ".join(map(str, own.grid)),
        f"{own.products:,}",
        f"{1e3 * seconds:.3g}",
        f"{cells / seconds / 1e6:.3g}",
        f"{2 * fired / seconds / 1e9:.3g}",
    ]
    for other in range(1, len(contestants)):
        by_cell = statistics.median(turn[other] / turn[0] for turn in turns) * cells / math.prod(known.grid)
        row += [f"{by_cell:.2f}", f"{by_cell * own.products / known.products:.2f}"]
    return row


def report(names: Sequence[str], steps: int, shrink: int = 1, before: Path | None = None) -> list[str]:
    """The lines of the report; `before` is a checkout whose GrowingNCA is measured, too."""
    other = Checkout(before, shrink) if before else None
    try:
        rows = printed(measure(name, CASES[name], steps, shrink, other) for name in names)
    finally:
        if other:
            other.close()
    lines = [
        f"Plan `fused`, float32, fire rate 0.5, {torch.get_num_threads()} threads; every cell lives. By turns with",
        f"`GrowingNCA` (16 channels, hidden 128, 256 x 256) in one process: medians of {_TURNS} turns, of processor time,",
        "which other tasks on the machine disturb less than they do a clock.",
        *((f"GrowingNCA of commit {other.name} steps by the same turns, in a process of its own.",) if other else ()),
        "",
        "x GrowingNCA: the rate of this law over that of `GrowingNCA` (1 is as fast), in cells, and in multiplications of the",
        "layers; filters, activations, masks and copies are not counted as work, though they take time. Per multiplication is",
        "fair to large networks, per cell to small ones, whose time goes into the cells themselves.",
        "",
    ]
    head = f"{_HEAD} | {_HEAD_BEFORE.format(other.name, other.name)}" if other else _HEAD
    return [*lines, *(QUICK if shrink > 1 else ()), *table(head, rows)]


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--steps", type=int, default=4, help="in each turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--before", type=Path, help="checkout of another commit, whose GrowingNCA is measured, too")
    parser.add_argument("--note", default="", help="a line about the run, for the report")
    parser.add_argument("--quick", action="store_true", help="tiny grids and few steps: the figures have no meaning")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    steps, shrink = (1, 16) if wanted.quick else (wanted.steps, 1)
    lines = report(wanted.cases, steps, shrink, wanted.before)
    publish("The configurable NCA", ([wanted.note, ""] if wanted.note else []) + lines, wanted.out)


if __name__ == "__main__":
    main()
