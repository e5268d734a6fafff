"""Acorn, a methuselah of seven cells, until it settles: 633 cells at generation 5206 (G. Corderman, 1971).

python -m benchmarks.speed.acorn --out benchmarks/results/acorn.md
"""

import argparse
import datetime
import sys
import time
from pathlib import Path

import torch

from aetheria import Aetheria_Motor, Life
from benchmarks.harness.machine import describe_machine

GENERATION = 5206
CELLS = ((0, 1), (1, 3), (2, 0), (2, 1), (2, 4), (2, 5), (2, 6))  # row, column


def main() -> None:
    """Prints a line, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--side", type=int, default=4096, help="side of the torus in cells")
    parser.add_argument("--steps", type=int, default=GENERATION)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    wanted = parser.parse_args()
    began = time.perf_counter()
    cells = torch.zeros(1, wanted.side, wanted.side)
    for y, x in CELLS:
        cells[0, wanted.side // 2 + y, wanted.side // 2 + x] = 1
    motor = Aetheria_Motor(Life(), wanted.side, 1, wanted.device, initial=cells)
    plan = motor.warm_up()
    ready = time.perf_counter()
    motor.step(wanted.steps)
    population = int(motor.cells.sum())
    ended = time.perf_counter()
    rate = wanted.steps * wanted.side**2 / (ended - ready) / 1e9
    text = (
        f"# Acorn on a torus\n\n{describe_machine()}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}.\n\n"
        f"{wanted.side}^2, plan {plan.name}: {population} cells at generation {wanted.steps:,}, {ended - began:.2f} s in total "
        f"(initial cells, choice of the plan and, the first time, compilation: {ready - began:.2f} s), {rate:,.0f} Gcell/s.\n"
    )
    sys.stdout.write(text)
    if wanted.out:
        wanted.out.write_text(text)


if __name__ == "__main__":
    main()
