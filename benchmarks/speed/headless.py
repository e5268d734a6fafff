"""Overheads of a headless run: start-up, the check for NaN and Inf, the motor's loop, and recording.

python -m benchmarks.speed.headless --out benchmarks/results/headless.md
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from aetheria import Aetheria_Motor, Recorder, build_law
from benchmarks.harness.machine import median_seconds, publish

LAWS = {"MLP": 8, "DEEP_QCA": 8, "UNet": 8, "ConvLSTM": 8, "GrowingNCA": 16, "Life": 1, "Lenia": 1}
MAIN = [sys.executable, "-c", "from aetheria.cli import main; main()"]


def start_up(repeats: int) -> list[str]:
    """Wall time of whole processes: --help, and the quickstart eager and compiled, with empty caches."""
    rows = ["| command | s |", "|---|---|"]
    rows.append(f"| `aetheria --help` | {median_seconds(lambda: _call('--help'), repeats):.2f} |")
    for plan in ("auto", "compiled"):
        with tempfile.TemporaryDirectory() as folder:
            out = ("--out", f"{folder}/q.h5", "--set", f"motor.plan={plan}", "--quiet")
            began = time.perf_counter()
            _call("run", "quickstart", *out, TORCHINDUCTOR_CACHE_DIR=folder)
            rows.append(f"| `aetheria run quickstart`, plan {plan}, empty compile cache | {time.perf_counter() - began:.1f} |")
    return rows


def stepping(side: int, steps: int, repeats: int) -> list[str]:
    """Per law: the time of a step, and the overheads of motor, check and recorder."""
    rows = [
        "| law | ms/step, bare loop | motor.step(n) / bare | check, % of 100 steps | recorder every 10 / without |",
        "|---|---|---|---|---|",
    ]
    for name, d_state in LAWS.items():
        settings: dict[str, Any] = {"d_state": d_state} if d_state == 8 else {}
        law = build_law(name, **settings)
        motor = Aetheria_Motor(law, side, d_state, "cpu", {"plan": "eager"}, initial="noise")
        plan = motor.warm_up()
        state = (motor.cells, *motor.memory)
        with torch.inference_mode():
            bare = median_seconds(partial(plan.advance, state, steps), repeats) / steps
        whole = median_seconds(partial(motor.step, steps), repeats) / steps
        check = median_seconds(motor.check_finite, repeats * 5)
        with tempfile.TemporaryDirectory() as folder, Recorder(motor, Path(folder) / "x.h5", every=10):
            recorded = median_seconds(partial(motor.step, steps), repeats) / steps
        rows.append(f"| {name} | {bare * 1e3:.2f} | {whole / bare:.3f} | {check / bare:.3f} | {recorded / whole:.3f} |")
    return rows


def _call(*arguments: str, **environment: str) -> None:
    subprocess.run([*MAIN, *arguments], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def main() -> None:
    """Prints the tables, and writes them to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--side", type=int, default=256, help="side of the grid in cells")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-start-up", action="store_true")
    wanted = parser.parse_args()
    lines = [f"Grid {wanted.side}^2, float32, eager, medians of {wanted.repeats}.", ""]
    lines += stepping(wanted.side, wanted.steps, wanted.repeats)
    if not wanted.no_start_up:
        lines += ["", *start_up(wanted.repeats)]
    publish("Headless overheads", lines, wanted.out)


if __name__ == "__main__":
    main()
