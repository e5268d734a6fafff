"""The direct sum over Lenia's ring against the compiled FFT step, by the ring's radius.

It shows the radius up to which plan "auto" should take the direct sum.

python -m benchmarks.speed.rings --out benchmarks/results/rings.md
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from aetheria.laws import Lenia
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.cpu.lenia import MOST_WEIGHTS, FusedLenia
from aetheria.stepping.plan import Plan, make_call, make_step
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import table


def milliseconds(radius: int, side: int, seconds: float) -> tuple[float, float]:
    """Medians of a step, of the FFT and of the ring, in turn."""
    law = Lenia(R=radius, core="exponential", growth="exponential")
    cells = law.random_cells((side, side), torch.Generator().manual_seed(0))[None]
    with torch.inference_mode():
        law.prepare(cells)
        fft = Compiled(make_step(make_call(law, cells.device, "fp32")), (cells,))
        plans = (fft, FusedLenia(law))
        steps = [max(1, int(seconds / 10 / max(_timed(plan, cells, 2), 1e-6))) for plan in plans]
        turns = [[_timed(plan, cells, n) for plan, n in zip(plans, steps, strict=True)] for _ in range(9)]
    return 1e3 * statistics.median(one for one, _ in turns), 1e3 * statistics.median(other for _, other in turns)


def _timed(plan: Plan, cells: Tensor, steps: int) -> float:
    """Seconds a step."""
    held = plan.pack((cells.clone(),))
    began = time.perf_counter()
    plan.advance(held, steps)
    return (time.perf_counter() - began) / steps


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--radii", type=int, nargs="+", default=[5, 9, 13, 16, 18, 20, 22, 26, 30])
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 512, 1000, 1024])
    parser.add_argument("--seconds", type=float, default=1.0, help="of timed steps each")
    wanted = parser.parse_args()
    rows = []
    for radius in wanted.radii:
        weights = int(Lenia(R=radius, core="exponential").kernel().count_nonzero())
        for side in wanted.sides:
            fft, ring = milliseconds(radius, side, wanted.seconds)
            rows.append([str(radius), f"{weights:,}", f"{side}^2", f"{fft:.4g}", f"{ring:.4g}", f"{fft / ring:.3g}"])
    lines = [f"Exponential core and growth, periodic, float32, {torch.get_num_threads()} threads of torch.", ""]
    lines += [f'Plan "auto" sums rings of up to {MOST_WEIGHTS:,} cells directly.', ""]
    lines += table("R | cells in the ring | grid | compiled FFT, ms/step | fused ring, ms/step | FFT / ring", rows)
    publish("Rings", lines, wanted.out)


if __name__ == "__main__":
    main()
