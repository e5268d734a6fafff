"""Cost of a recorder, by its parts; with the path of another checkout of Aetheria, in comparison with it.

python -m benchmarks.speed.recording_cost --against ../before --rounds 7 --out benchmarks/results/recording_cost.md
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.machine import publish
from benchmarks.harness.processes import ROOT
from benchmarks.harness.tables import table

Times = dict[str, float]
Round = list[Times]  # of each checkout in turn
FRAMES = {"Life 512^2": 100, "Life 64^2": 200, "GrowingNCA 256^2, rgb": 8}
_PARTS = ("finite check", "space check", "append", "checksums")
_NOTE = (
    "A run with a recorder of every tenth step, float32, gzip, on one thread; a process for each round of each checkout, "
    "in turn, and the median of the rounds. A commit in ms of CPU time, and in brackets of wall time; its parts: the check"
    " for NaN and Inf, the check of the disk's space, compressing and appending the values, checksums, and the rest, "
    "mostly flushing and counting. Comparisons are made within each round; least and most in brackets. Steps per second of"
    " wall time; CPU ms per frame of all threads, with its ten steps."
)


def measured(checkout: Path, case: str, frames: int, side: int | None = None) -> Times:
    """The result of `benchmarks.speed.recorded` for a checkout, in a process of its own."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks/speed/recorded.py"),
        json.dumps({"case": case, "frames": frames, "side": side}),
    ]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout, env=environment)
    found: Times = json.loads(done.stdout)
    return found


def compare(checkouts: list[Path], frames: dict[str, int], rounds: int, side: int | None = None) -> dict[str, list[Round]]:
    """The times of each case, by round and checkout."""
    return {
        case: [[measured(checkout, case, count, side) for checkout in checkouts] for _ in range(rounds)]
        for case, count in frames.items()
    }


def lines_of(found: dict[str, list[Round]]) -> list[str]:
    """The table of the times, and a line for each case that compares the last checkout with the first."""
    rows, ratios = [], []
    for case, rounds in found.items():
        for label, taken in zip(("this", "the other"), list(zip(*rounds, strict=True))[::-1], strict=False):
            one = {name: statistics.median(each.get(name, 0.0) for each in taken) for name in (*taken[0], *_PARTS)}
            rest = one["commit"] - sum(one[part] for part in _PARTS)
            commit = f"{1e3 * one['commit']:.2f} ({1e3 * one['wall']:.2f})"
            parts = [f"{1e3 * seconds:.3f}" for seconds in (*(one[part] for part in _PARTS), rest)]
            rows.append([case, label, commit, *parts, f"{one['rate']:,.0f}", f"{1e3 * one['process']:.2f}"])
        if len(rounds[0]) > 1:
            commit, frame = (_change(rounds, name) for name in ("commit", "process"))
            ratios.append(f"- {case}: a commit {commit}, a frame with its steps {frame}.")
    lines = table(f"case | checkout | a commit | {' | '.join(_PARTS)} | rest | steps/s | a frame", rows)
    return lines + (["", "This checkout against the other, in CPU time:", "", *ratios] if ratios else [])


def _change(rounds: list[Round], name: str) -> str:
    """The relative change from the first to the last checkout: median, least and most over the rounds."""
    changes = sorted(taken[-1][name] / taken[0][name] - 1 for taken in rounds)
    return f"{statistics.median(changes):+.1%} ({changes[0]:+.1%} to {changes[-1]:+.1%})"


def main() -> None:
    """Prints the table, and writes it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    checkouts = [*([wanted.against.resolve()] if wanted.against else []), ROOT]
    before = os.getloadavg()[0]
    lines = lines_of(compare(checkouts, FRAMES, wanted.rounds))
    load = f"Load of the machine ({os.cpu_count()} cores): {before:.1f} before, {os.getloadavg()[0]:.1f} after."
    publish("Cost of recording", [_NOTE, load, "", *lines], wanted.out)


if __name__ == "__main__":
    main()
