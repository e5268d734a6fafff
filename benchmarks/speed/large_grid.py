"""Memory of a large grid of a Life-like rule under its packed plan: while the motor is made, at its peak, and while it steps.

python -m benchmarks.speed.large_grid --out benchmarks/results/large_grid.md
"""

import argparse
import datetime
import sys
import time
from pathlib import Path

import psutil

from benchmarks.harness.processes import Measurement, peak_bytes, run_isolated
from benchmarks.harness.tables import table

STEPS = 20


def on_grid(side: int) -> Measurement:
    """Bytes above those of the libraries, and the rate of `STEPS` steps."""
    from aetheria import Aetheria_Motor, Life

    Aetheria_Motor(Life(), 128, 1, "cpu", {"plan": "packed"}).step(1)  # loads what is loaded once
    process, base = psutil.Process(), psutil.Process().memory_info().rss
    motor = Aetheria_Motor(Life(), side, 1, "cpu", {"plan": "packed"}, initial="seed")
    motor.step(1)
    began = time.perf_counter()
    motor.step(STEPS)
    seconds = time.perf_counter() - began
    stepping = process.memory_info().rss - base
    return {"peak": peak_bytes() - base, "stepping": stepping, "rate": STEPS * side**2 / seconds, "state": 4 * side**2}


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    from benchmarks.harness.machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[4096, 8192, 16384])
    wanted = parser.parse_args()
    rows = []
    for side in wanted.sides:
        found = run_isolated("benchmarks.speed.large_grid:on_grid", side=side)
        mib = [f"{found[key] / 2**20:,.0f}" for key in ("state", "peak", "stepping")]
        rows.append((f"{side}^2", *mib, f"{found['rate'] / 1e9:,.1f}"))
    lines = [
        "# Large grids of Life under the packed plan",
        "",
        f"{describe_machine()}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}.",
        "",
        "Of one motor in a process of its own, above the memory of the libraries.",
        "",
        *table("grid | cells as floats, MiB | peak, MiB | while it steps, MiB | Gcell/s", rows),
    ]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if wanted.out:
        wanted.out.write_text(text)


if __name__ == "__main__":
    main()
