"""Drift of each precision from float64 over many steps, with equal cells and weights.

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
    "float64. In a chaotic law, or one with thresholds (alive mask, growth), rounding errors grow until the two runs are "
    "unrelated: 1 or more means that, and not a wrong step. The growth of a small error is shown by float64 steps from cells "
    "with a random error of 1e-6 of their root mean square (fp64, nudged)."
)
_NUDGE = 1e-6


def drift(law: str, side: int, device: str, precisions: Sequence[str], checkpoints: Sequence[int], plan: str) -> list[Row]:
    """A row for each precision and checkpoint."""
    exact = motor_for(Job("ours", law, side, "fp64", device=device, plan="eager"), moving_law(law))
    used = precisions if CASES[law].network else precisions[:1]
    motors = [motor_for(Job("ours", law, side, precision, device=device, plan=plan), moving_law(law)) for precision in used]
    labelled = [(str(motor.config.precision), motor) for motor in motors]
    if law != "Life":  # whose cells are 0 or 1
        nudged = motor_for(Job("ours", law, side, "fp64", device=device, plan="eager"), moving_law(law))
        nudged.set_cells(nudged_cells(nudged.cells))
        labelled.append(("fp64, nudged", nudged))
    rows: list[Row] = []
    for checkpoint in sorted(checkpoints):
        exact.step(checkpoint - exact.step_count)
        for label, motor in labelled:
            motor.step(checkpoint - motor.step_count)
            largest, rms = relative_difference(motor.cells, exact.cells)
            rows.append([law, label, plan_name(motor), f"{checkpoint:,}", f"{largest:.1e}", f"{rms:.1e}"])
    return rows


def nudged_cells(cells: Tensor) -> Tensor:
    """Cells with a random error of `_NUDGE` of their root mean square; zeros, as in dead cells, stay zero."""
    noise = torch.randn(cells.shape, dtype=cells.dtype, generator=torch.Generator().manual_seed(1)).to(cells.device)
    return torch.where(cells == 0, 0, cells + _NUDGE * cells.square().mean().sqrt() * noise)


def moving_law(law: str) -> Law:
    """The law of a case, with trained weights if the untrained law does not change its cells."""
    return build(law, weights=LIZARD) if law == "GrowingNCA" else build(law)


def relative_difference(cells: Tensor, exact: Tensor) -> tuple[float, float]:
    """Largest and root mean square difference, both over the root mean square of `exact`."""
    size = exact.square().mean().sqrt().clamp_min(1e-300)
    run_isolated = (cells.double() - exact).abs()
    return float(run_isolated.max() / size), float(run_isolated.square().mean().sqrt() / size)


def plan_name(motor: Aetheria_Motor) -> str:
    """Name of the motor's plan."""
    return motor.warm_up().name


def main() -> None:
    """Prints the table, and writes it to `--out`."""
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
