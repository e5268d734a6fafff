"""A picture taken out of noise by local attention, and kept: errors and pictures of shipped weights.

    python -m benchmarks.training.restoring --out benchmarks/results/restoring.md

Steps `configs/restoration.toml`, whose weights `configs/training/attention.toml` has learned, far beyond the rollouts of its
training; the pictures are saved beside the results. Exits with 1 if the cells run away, or a blur is better, by step 400.
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

from aetheria.runs.config import load_config
from aetheria.runs.run import build_motor
from aetheria.training.growth import COLOURS
from aetheria.training.objectives.restore import blurs
from aetheria.training.target_images import read_picture
from benchmarks.harness.machine import publish
from benchmarks.training.learning import CONFIGS

PICTURES = CONFIGS.parent / "pictures"
AFTER = (5, 10, 20, 40, 80, 200, 400, 600, 1000)
SHOWN = (5, 10, 40, 200, 400)
WANTED = (10, 400)  # steps between which it should be better than any blur
MOST_VALUE = 4.0  # of any channel; the colours are in 0..1
_BLURS = 12  # widths that are tried
_SCALE = 2  # pixels of a cell's side


@dataclass(frozen=True)
class Restoring:
    """A run from a picture with noise and lost cells.

    Attributes:
        noisy, clean: `(4, H, W)`.
        errors: mean squared error of the colours, by step.
        largest: largest value of a channel in any cell, by step.
        colours: `(3, H, W)` by step.
        blurred: error of the blur that suits this picture best.
    """

    noisy: Tensor
    clean: Tensor
    errors: dict[int, float]
    largest: dict[int, float]
    colours: dict[int, Tensor]
    blurred: float

    @property
    def kept(self) -> bool:
        """Whether the picture is better than any blur at the wanted steps, and no value has run away there."""
        first, last = WANTED
        steps = [step for step in self.errors if first <= step <= last]
        return all(self.errors[step] < self.blurred and self.largest[step] < MOST_VALUE for step in steps)

    def sheet(self, shown: Sequence[int] = SHOWN) -> Image.Image:
        """The noisy picture, the cells at some steps, and the clean picture; three in a row."""
        given = self.noisy[:3] + 1 - self.noisy[3:]  # lost cells are white
        pictures = [given, *(self.colours[step] for step in shown), self.clean[:3]]
        rows = [torch.cat(pictures[first : first + 3], 2) for first in range(0, len(pictures), 3)]
        rows[-1] = torch.nn.functional.pad(rows[-1], (0, rows[0].shape[2] - rows[-1].shape[2]), value=1.0)
        pixels = torch.cat(rows, 1).clamp(0, 1).mul(255).byte().permute(1, 2, 0).numpy()
        return Image.fromarray(pixels.repeat(_SCALE, 0).repeat(_SCALE, 1))


def measure(steps: Sequence[int] = AFTER, changes: Sequence[str] = ()) -> Restoring:
    """Steps the shipped config with changed settings; errors are measured at these steps."""
    noisy, clean = (read_picture(PICTURES / f"{name}.png") for name in ("harbour_noisy", "harbour"))
    errors, largest, colours = {}, {}, {}
    with build_motor(load_config("restoration", list(changes)), "cpu") as motor:
        for since, after in pairwise((0, *steps)):
            motor.step(after - since)
            cells = motor.cells[0]
            colours[after] = cells[:3].clone()
            errors[after] = float((cells[:3] - clean[:3]).square().mean())
            largest[after] = float(cells.abs().max())
    blurred = min(float((one - clean[:3]).square().mean()) for one in blurs(noisy[None, :COLOURS], _BLURS))
    return Restoring(noisy, clean, errors, largest, colours, blurred)


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure()
    height, width = found.clean.shape[1:]
    lines = [
        f"Mean squared error of the colours over {height} x {width} cells, and the largest value of any channel, by step.",
        f"The blur that suits this picture best: {found.blurred:.4f}.",
        "",
        "| step | " + " | ".join(f"{step:,}" for step in found.errors) + " |",
        "|" + "---|" * (1 + len(found.errors)),
        "| error | " + " | ".join(f"{error:.4f}" for error in found.errors.values()) + " |",
        "| largest value | " + " | ".join(f"{value:.2f}" for value in found.largest.values()) + " |",
        "",
        f"Better than the blur from step {WANTED[0]} to {WANTED[1]}, and no value above {MOST_VALUE:g}: "
        f"{'yes' if found.kept else 'NO'}.",
    ]
    if given.out:
        found.sheet().save(given.out.with_suffix(".png"), optimize=True)
        shown = ", ".join(f"{step:,}" for step in SHOWN)
        lines += ["", f"![The noisy harbour, steps {shown}, and the harbour]({given.out.stem}.png)"]
    publish("A harbour out of noise", lines, given.out)
    sys.exit(not found.kept)


if __name__ == "__main__":
    main()
