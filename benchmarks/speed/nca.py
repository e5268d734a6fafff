"""Every configuration of the configurable NCA in the fused plan, by turns with `GrowingNCA` in one process.

python -m benchmarks.speed.nca --out benchmarks/results/nca.md
python -m benchmarks.speed.nca --quick   # takes seconds: a check that it works
"""

import argparse
import math
import statistics
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


@torch.inference_mode()
def measure(name: str, given: dict[str, Any], steps: int, shrink: int) -> list[str]:
    """A row of the table: medians of turns, in which GrowingNCA and this law step one after the other."""
    laws = (build_law("GrowingNCA", seed=0), build_law("NCA", seed=0, **given))
    known, own = (Stepping(law, shrink) for law in laws if isinstance(law, NCA))
    for each in (known, own):
        each.seconds(2)
    turns = [(known.seconds(steps), own.seconds(steps)) for _ in range(_TURNS)]
    seconds = statistics.median(own for _, own in turns)
    cells = [math.prod(each.grid) for each in (known, own)]
    by_cell = statistics.median(one / other for one, other in turns) * cells[1] / cells[0]
    fired = 0.5 * own.products * cells[1]
    return [
        name,
        " x ".join(map(str, own.grid)),
        f"{own.products:,}",
        f"{1e3 * seconds:.3g}",
        f"{cells[1] / seconds / 1e6:.3g}",
        f"{2 * fired / seconds / 1e9:.3g}",
        f"{by_cell:.2f}",
        f"{by_cell * own.products / known.products:.2f}",
    ]


def report(names: Sequence[str], steps: int, shrink: int = 1) -> list[str]:
    """The lines of the report."""
    rows = printed(measure(name, CASES[name], steps, shrink) for name in names)
    lines = [
        f"Plan `fused`, float32, fire rate 0.5, {torch.get_num_threads()} threads; every cell lives. By turns with",
        f"`GrowingNCA` (16 channels, hidden 128, 256 x 256) in one process: medians of {_TURNS} turns, of processor time,",
        "which other tasks on the machine disturb less than they do a clock.",
        "",
        "x GrowingNCA: the rate of this law over that of `GrowingNCA` (1 is as fast), in cells, and in multiplications of the",
        "layers; filters, activations, masks and copies are not counted as work, though they take time. Per multiplication is",
        "fair to large networks, per cell to small ones, whose time goes into the cells themselves.",
        "",
    ]
    return [*lines, *(QUICK if shrink > 1 else ()), *table(_HEAD, rows)]


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--steps", type=int, default=4, help="in each turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="a line about the run, for the report")
    parser.add_argument("--quick", action="store_true", help="tiny grids and few steps: the figures have no meaning")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    lines = report(wanted.cases, *((1, 16) if wanted.quick else (wanted.steps, 1)))
    publish("The configurable NCA", ([wanted.note, ""] if wanted.note else []) + lines, wanted.out)


if __name__ == "__main__":
    main()
