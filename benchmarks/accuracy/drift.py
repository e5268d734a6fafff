"""How far each precision drifts from float64, step by step, with the same cells and weights.

python -m benchmarks.accuracy.drift --out benchmarks/results/drift.md
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from aetheria import Aetheria_Motor
from aetheria.laws.base import Law
from benchmarks.harness.cases import CASES, Job, build, motor_for
from benchmarks.harness.machine import publish
from benchmarks.harness.processes import ROOT
from benchmarks.harness.tables import Row, table

LIZARD = str(ROOT / "configs/weights/growing_nca_lizard.safetensors")

_NOTE = (
    "Float64 steps eagerly. Difference of the cells, largest and root mean square, over the root mean square of the cells in "
    "float64. Where a law is chaotic or has thresholds (alive mask, growth), a difference of rounding grows until the two "
    "runs are as unlike as two different runs: 1 or more means that, not a wrong step. What a law makes of a difference is "
    "seen from its steps in float64 from cells that are a random 1e-6 of their root mean square off (fp64, nudged)."
)
_NUDGE = 1e-6


def drift(law: str, side: int, device: str, precisions: Sequence[str], checkpoints: Sequence[int], plan: str) -> list[Row]:
    """A row for each precision and checkpoint."""
    exact = motor_for(Job("ours", law, side, "fp64", device=device, plan="eager"), lively(law))
    used = precisions if CASES[law].network else precisions[:1]
    motors = [motor_for(Job("ours", law, side, precision, device=device, plan=plan), lively(law)) for precision in used]
    labelled = [(str(motor.config.precision), motor) for motor in motors]
    if law != "Life":  # whose cells are 0 or 1
        nudged = motor_for(Job("ours", law, side, "fp64", device=device, plan="eager"), lively(law))
        nudged.set_cells(off(nudged.cells))
        labelled.append(("fp64, nudged", nudged))
    rows: list[Row] = []
    for checkpoint in sorted(checkpoints):
        exact.step(checkpoint - exact.step_count)
        for label, motor in labelled:
            motor.step(checkpoint - motor.step_count)
            largest, rms = apartness(motor.cells, exact.cells)
            rows.append([law, label, name(motor), f"{checkpoint:,}", f"{largest:.1e}", f"{rms:.1e}"])
    return rows


def off(cells: Tensor) -> Tensor:
    """Cells a random `_NUDGE` of their root mean square away from `cells`; those that are 0 stay so, as dead ones must."""
    noise = torch.randn(cells.shape, dtype=cells.dtype, generator=torch.Generator().manual_seed(1)).to(cells.device)
    return torch.where(cells == 0, 0, cells + _NUDGE * cells.square().mean().sqrt() * noise)


def lively(law: str) -> Law:
    """The law as it is measured, but with trained weights where an untrained law stands still."""
    return build(law, weights=LIZARD) if law == "GrowingNCA" else build(law)


def apartness(cells: Tensor, exact: Tensor) -> tuple[float, float]:
    """Largest and root mean square difference, both over the root mean square of `exact`."""
    size = exact.square().mean().sqrt().clamp_min(1e-300)
    apart = (cells.double() - exact).abs()
    return float(apart.max() / size), float(apart.square().mean().sqrt() / size)


def name(motor: Aetheria_Motor) -> str:
    """Of the motor's plan."""
    return motor.warm_up().name


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--side", type=int, default=32, help="side of the grid in cells")
    parser.add_argument("--steps", nargs="+", type=int, default=[1, 100, 10_000])
    parser.add_argument("--precisions", nargs="+", default=["fp32", *(["tf32"] if device == "cuda" else []), "bf16"])
    parser.add_argument("--plan", default="auto")
    wanted = parser.parse_args()
    lines = [f"Grid {wanted.side}^2. {_NOTE}", ""]
    rows: list[Row] = []
    for law in wanted.laws:
        rows += drift(law, wanted.side, device, wanted.precisions, wanted.steps, wanted.plan)
    lines += table("law | precision | plan | steps | largest | root mean square", rows)
    publish("Drift against float64", lines, wanted.out)


if __name__ == "__main__":
    main()
