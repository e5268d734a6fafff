"""Growing a picture: accuracy, stability, healing, and time of the training.

    python -m benchmarks.training.growing --out benchmarks/results/growing.md

Trains `configs/training/mushroom.toml` as `aetheria train` does, and evaluates the result as `aetheria.training.growth_report`
does; the grown pictures are saved beside the results. Exits with 1 if a target is missed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from aetheria.training.grow import GrowResult, grow
from aetheria.training.growth_report import GROWN_STEP, LASTING_STEP
from aetheria.training.train_config import GrowConfig, load_training
from benchmarks.harness.machine import publish
from benchmarks.training.learning import CONFIGS

MOST_ERROR, MOST_SECONDS = 0.01, 900.0


@dataclass(frozen=True)
class GrowingRun:
    """A training: its config, result, wall time and CPU time in seconds, with validation."""

    config: GrowConfig
    grown: GrowResult
    seconds: float
    processor: float

    def table(self) -> tuple[list[str], bool]:
        """The table of figures and targets, and whether all targets were reached."""
        rows = [
            (f"mean squared error at step {GROWN_STEP}", self.grown.errors[GROWN_STEP], MOST_ERROR),
            (f"mean squared error at step {LASTING_STEP:,}", self.grown.errors[LASTING_STEP], MOST_ERROR),
            ("mean squared error 200 steps after one half was removed, largest of four halves", self.grown.healed, MOST_ERROR),
            ("seconds of training", self.seconds, MOST_SECONDS),
        ]
        lines = ["| | measured | target | reached |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {found:.4g} | under {most:g} | {'yes' if found < most else 'NO'} |" for name, found, most in rows
        ]
        return lines, all(found < most for _, found, most in rows)


def measure(folder: Path, changes: Sequence[str] = ()) -> GrowingRun:
    """Trains the shipped config with changed settings."""
    config = load_training(CONFIGS / "mushroom.toml", list(changes))
    assert isinstance(config, GrowConfig)
    began, processor = time.perf_counter(), time.process_time()
    grown = grow(config, folder / "grown", trackers=[])
    return GrowingRun(config, grown, time.perf_counter() - began, time.process_time() - processor)


def main() -> None:
    """Trains and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
        if given.out:
            shutil.copy(found.grown.folder / "grown.png", given.out.with_suffix(".png"))
    how, law = found.config.train, found.config.law.parameters
    table, reached = found.table()
    lines = [
        f"{how.steps:,} steps of training, batch {how.batch}, {how.rollout[0]} to {how.rollout[1]} steps each; "
        f"{law['channels']} channels, hidden {law['hidden_channels']}; threads: {torch.get_num_threads()}, "
        f"{found.processor:.0f} s of CPU time. Errors are of the colours over the picture's 24 x 24 cells, from one cell, "
        "means of four runs.",
        "",
        *table,
    ]
    publish("A picture grown from one cell", lines, given.out)
    sys.exit(not reached)


if __name__ == "__main__":
    main()
