"""Bands against the compiled step of the whole grid, for a user's local law: two 3x3 convolutions, 16 channels, 32 hidden.

python -m benchmarks.speed.bands --out benchmarks/results/bands.md
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria import Aetheria_Motor
from aetheria.diagnostics.bench import seconds_per_step, stepper
from aetheria.laws import Residual
from aetheria.laws.layers import pad
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import table


class Network(nn.Module):
    """What a user may write."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(16, 32, 3), nn.Conv2d(32, 16, 3)

    def forward(self, cells: Tensor) -> Tensor:
        hidden = F.relu(self.first(pad(cells, 1, "periodic")))
        return 0.01 * torch.tanh(self.second(pad(hidden, 1, "periodic")))


def milliseconds(side: int, plan: str, seconds: float) -> float:
    """Median of a step."""
    motor = Aetheria_Motor(Residual(Network(), 16, radius=2), side, 16, "cpu", {"plan": plan}, initial="noise")
    return 1e3 * seconds_per_step(stepper(motor), seconds)


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--seconds", type=float, default=2.0)
    wanted = parser.parse_args()
    rows = []
    for side in wanted.sides:
        compiled, banded = (milliseconds(side, plan, wanted.seconds) for plan in ("compiled", "banded"))
        rows.append([f"{side}^2", f"{compiled:.4g}", f"{banded:.4g}", f"{compiled / banded:.3g}"])
    lines = ["A user's `Residual` law of radius 2 (two 3x3 convolutions, 16 and 32 channels), float32.", ""]
    lines += table("grid | compiled, ms/step | banded, ms/step | compiled / banded", rows)
    publish("Bands", lines, wanted.out)


if __name__ == "__main__":
    main()
