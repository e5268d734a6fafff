"""A grown picture after each of its halves was removed: errors and pictures of shipped weights.

    python -m benchmarks.training.healing --out benchmarks/results/healing.md

Steps `configs/boat.toml`, whose weights `configs/training/boat.toml` has learned, in four universes with different fire masks;
the pictures are saved beside the results. Exits with 1 if a half is not regrown.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from aetheria.motor.state import fresh_memory
from aetheria.runs.config import load_config
from aetheria.runs.run import law_from_config
from aetheria.stepping.cpu.training_step import run_steps, training_step
from aetheria.training.grow import growth_pool
from aetheria.training.growth_report import contact_sheet, with_half_removed
from aetheria.training.train_config import GrowConfig, load_training
from benchmarks.harness.machine import publish
from benchmarks.training.learning import CONFIGS

HALVES = ("left", "right", "top", "bottom")  # in the order of `with_half_removed`
DAMAGED_STEP = 200
AFTER = (0, 20, 50, 100, 200, 800)  # steps after the damage
MOST_ERROR = 0.01


@dataclass(frozen=True)
class Healing:
    """Four universes, each without another half since `DAMAGED_STEP`.

    Attributes:
        target: `(4, H, W)`.
        before: mean squared error of the picture's colours just before, by universe.
        errors: the same, by steps after the damage, then by universe.
        cells: `(4, C, H, W)` by steps after the damage.
    """

    target: Tensor
    before: list[float]
    errors: dict[int, list[float]]
    cells: dict[int, Tensor]

    @property
    def healed(self) -> bool:
        """Whether all halves have grown again 200 steps after the damage, and are there later on."""
        return max(max(errors) for after, errors in self.errors.items() if after >= 200) < MOST_ERROR

    def sheet(self) -> Image.Image:
        """A row for each half: the target, then the cells by steps after the damage."""
        rows = [
            contact_sheet({after: cells[number] for after, cells in self.cells.items()}, self.target, scale=3)
            for number in range(len(HALVES))
        ]
        sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
        for number, row in enumerate(rows):
            sheet.paste(row, (0, number * row.height))
        return sheet


@torch.no_grad()
def measure(name: str = "boat", steps: Sequence[int] = AFTER) -> Healing:
    """Grows the picture of a shipped config of a run and of its training, and removes the halves.

    Args:
        steps: after the damage, at which errors are measured; the last ones decide whether it has healed.
    """
    run, training = load_config(name), load_training(CONFIGS / f"{name}.toml")
    assert isinstance(training, GrowConfig)
    law, _ = law_from_config(run.law, run.d_state)
    law.eval()
    step, pool = training_step(law), growth_pool(training, law)
    cells = pool.start.repeat(len(HALVES), 1, 1, 1)
    state: tuple[Tensor, ...] = tuple(run_steps(step, (cells, *fresh_memory(law, cells, 0)), DAMAGED_STEP))
    before = pool.picture_error(state[0]).tolist()
    state = (with_half_removed(state[0]), *state[1:])
    errors, seen = {}, {}
    for since, after in pairwise((0, *steps)):
        state = tuple(run_steps(step, state, after - since))
        errors[after], seen[after] = pool.picture_error(state[0]).tolist(), state[0]
    return Healing(pool.target, before, errors, seen)


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure()
    lines = [
        f"Mean squared error of the colours over 32 x 32 cells. A half is removed at step {DAMAGED_STEP}; columns: "
        "steps after that.",
        "",
        "| half removed | before | " + " | ".join(str(after) for after in AFTER) + " |",
        "|" + "---|" * (2 + len(AFTER)),
    ]
    for number, half in enumerate(HALVES):
        figures = (found.before[number], *(errors[number] for errors in found.errors.values()))
        lines.append(f"| {half} | " + " | ".join(f"{error:.4f}" for error in figures) + " |")
    lines += ["", f"From 200 steps on under {MOST_ERROR:g}: {'yes' if found.healed else 'NO'}."]
    if given.out:
        found.sheet().save(given.out.with_suffix(".png"), optimize=True)
        lines += ["", f"![The boat, and each row without another half]({given.out.stem}.png)"]
    publish("Halves of a boat grown again", lines, given.out)
    sys.exit(not found.healed)


if __name__ == "__main__":
    main()
