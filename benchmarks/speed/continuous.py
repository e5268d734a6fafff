"""Lenia of 3 channels and 15 kernels, and Flow Lenia with the same kernels, beside CAX's own jitted scan.

python -m benchmarks.speed.continuous --out benchmarks/results/continuous.md
python -m benchmarks.speed.continuous --quick   # takes seconds: a check that it works

Without the extra `bench` only ours is measured.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria import build_law
from aetheria.laws.continuous.kernel_law import KernelLaw
from aetheria.stepping.factories import automatic
from aetheria.stepping.plan import Plan
from aetheria.stepping.plan_factory import StepProblem
from benchmarks.harness.machine import publish
from benchmarks.harness.processes import UnavailableError
from benchmarks.harness.tables import NOTHING, QUICK, Row, printed, table

Cells = NDArray[np.float32]
_CREATURE = "5N7KKM"  # of Chan's collection: R 12, T 2, as in CAX's example of Lenia
CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Lenia, 3 channels, 15 kernels": ("Lenia", {"animal": _CREATURE}),
    "FlowLenia, 3 channels, 15 kernels, dd 5": ("FlowLenia", {"animal": _CREATURE, "dd": 5}),
}
WANTED = {"Lenia": 3, "FlowLenia": 2}  # times as fast as CAX
_HEAD = "law | grid | who | ms/step | ms of all cores | x ours | largest difference"


class Contestant:
    """Takes steps from the same first cells `(C, H, W)`; `cells` are the present ones."""

    advance: Callable[[int], None]
    cells: Callable[[], Cells]

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns: list[tuple[float, float]] = []

    def turn(self, steps: int) -> None:
        """Notes seconds of the wall clock, and of all cores, per step."""
        began, busy = time.perf_counter(), time.process_time()
        self.advance(steps)
        self.turns.append(((time.perf_counter() - began) / steps, (time.process_time() - busy) / steps))

    def medians(self) -> tuple[float, float]:
        """In ms: of the wall clock, and of all cores."""
        walls, cores = zip(*self.turns, strict=True)
        return 1e3 * statistics.median(walls), 1e3 * statistics.median(cores)


class Ours(Contestant):
    """A plan of ours."""

    def __init__(self, plan: Plan, cells: Tensor) -> None:
        super().__init__(plan.name)
        self.plan, self.held = plan, plan.pack((cells.clone(),))

    def advance(self, steps: int) -> None:
        self.held = self.plan.advance(self.held, steps)

    def cells(self) -> Cells:
        found: Cells = self.plan.unpack(self.held)[0][0].numpy().copy()
        return found


class Cax(Contestant):
    """CAX's jitted scan."""

    def __init__(self, law: KernelLaw, cells: Tensor) -> None:
        """
        Raises:
            UnavailableError: CAX is not installed.
        """
        from benchmarks.harness import cax_peer

        version, self.advance, self.cells = cax_peer.rings_stepper(law, cells)
        super().__init__(f"CAX, jax {version}")


@torch.inference_mode()
def measure(case: str, side: int, turns: int, seconds: float) -> list[Row]:
    """Rows of the table: medians of turns, in which each contestant takes as many steps as fit into its seconds."""
    name, settings = CASES[case]
    law = build_law(name, **settings)
    assert isinstance(law, KernelLaw)
    cells = law.random_cells((side, side), torch.Generator().manual_seed(0))[None]
    problem = StepProblem(law, (cells,), "fp32")
    ours = Ours(automatic(problem)[0].make(problem), cells)
    contestants: list[Contestant] = [ours]
    try:
        contestants.append(Cax(law, cells))
    except UnavailableError as error:
        sys.stderr.write(f"CAX: {error}\n")
    steps = []
    for one in contestants:
        one.advance(1)
    # Gradients of CAX's Flow Lenia are those of a grid between zeros: its cells near the edges differ.
    inner = slice(side // 4, side - side // 4)
    first = [one.cells()[:, inner, inner] for one in contestants]
    for one in contestants:
        one.turn(1)
        steps.append(max(1, int(seconds / one.turns.pop()[0])))
        one.advance(steps[-1])  # JAX compiles for each number of steps
    for _ in range(turns):
        for one, number in zip(contestants, steps, strict=True):
            one.turn(number)
    own = ours.medians()[0]
    rows: list[Row] = []
    for one, after in zip(contestants, first, strict=True):
        wall, cores = one.medians()
        apart = NOTHING if one is ours else f"{np.abs(after - first[0]).max():.1e}"
        rows.append([case, f"{side}^2", one.name, f"{wall:.4g}", f"{cores:.4g}", f"{wall / own:.3g}", apart])
    return printed(rows)


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps of each contestant in a turn")
    parser.add_argument("--note", default="", help="a line about the run, for the report")
    parser.add_argument("--quick", action="store_true", help="a tiny grid and short times: the figures have no meaning")
    wanted = parser.parse_args()
    side, turns, seconds = (32, 1, 0.0) if wanted.quick else (wanted.side, wanted.turns, wanted.seconds)
    rows = [row for case in wanted.cases for row in measure(case, side, turns, seconds)]
    lines = [
        f"Creature {_CREATURE}'s kernels, periodic, float32, {torch.get_num_threads()} threads of torch.",
        f"By turns in one process, medians of {turns} turns.",
        "Of all cores: processor time of the process, which a busy machine does not lengthen by waiting.",
        "Difference: from ours after the first step, in the middle half of the grid along both axes.",
        f"Wanted: {', '.join(f'{law} {times} x CAX' for law, times in WANTED.items())}.",
        "",
    ]
    if wanted.note:
        lines[:0] = [wanted.note, ""]
    if wanted.quick:
        lines += QUICK
    publish("Continuous laws", lines + table(_HEAD, rows), wanted.out)


if __name__ == "__main__":
    main()
