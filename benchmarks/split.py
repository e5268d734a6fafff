"""One grid over many processes: traffic a step against the formula, bit equality, and the efficiency of many GPUs on paper.

torchrun --nproc-per-node 4 -m benchmarks.split --split 2x2 --out benchmarks/results/split.md
python -m benchmarks.split --paper
"""

import argparse
import time
from dataclasses import dataclass
from math import log2, prod
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from aetheria.laws import GrowingNCA, build_law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.split.cost import Link, exchange_traffic, step_seconds
from aetheria.split.mesh import read_split
from aetheria.split.tiles import Tiling
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import table

STEPS = 64


@dataclass(frozen=True)
class Case:
    """A law, its settings, its plan, the sides of its grid, and the bytes of a cell in the form that is exchanged."""

    law: str
    settings: dict[str, Any]
    plan: str
    sides: tuple[int, int]
    cell_bytes: float


NETWORK: dict[str, Any] = {"d_state": 4, "hidden_channels": 16, "output_scale": 0.3, "seed": 1}
CASES = (
    Case("Life", {}, "eager", (256, 256), 4),
    Case("Life", {}, "packed", (256, 256), 1 / 8),
    Case("GrowingNCA", {"channels": 16, "hidden_channels": 32, "seed": 1}, "fused", (128, 192), 64),
    Case("MLP", {**NETWORK, "normalise": "cell"}, "fused", (128, 192), 32),
    Case("MLP", {**NETWORK, "normalise": "grid"}, "fused", (128, 192), 32),
    Case("Ising", {}, "eager", (128, 192), 4),
)


def motor_of(case: Case, every: int | None, mesh: DeviceMesh | None) -> Aetheria_Motor:
    """The motor of a case, on a mesh or on one process that adds as a split grid does."""
    law = build_law(case.law, **case.settings)
    if isinstance(law, GrowingNCA):  # untrained, its output would be zero
        torch.nn.init.normal_(law.update.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    cfg = {"plan": case.plan, "halo_steps": every, "exact_sums": True}
    return Aetheria_Motor(law, case.sides, None, "cpu", cfg, initial="noise", seed=5, mesh=mesh)


def measured(case: Case, every: int, mesh: DeviceMesh) -> list[str] | None:
    """A row of the table, on rank 0."""
    try:
        motor = motor_of(case, every, mesh)
    except ValueError:  # tiles narrower than their margins
        return None
    with motor:
        split = motor.split
        assert split is not None
        motor.warm_up()
        traffic = split.halo.traffic
        before = (traffic.messages, traffic.bytes, traffic.sums)
        began = time.perf_counter()
        motor.step(STEPS)
        seconds = time.perf_counter() - began
        sent = [now - then for now, then in zip((traffic.messages, traffic.bytes, traffic.sums), before, strict=True)]
        cells = motor.cells
        if not split.leads:
            return []
        one = motor_of(case, None, None)
        one.step(STEPS)
        messages, numbers = exchange_traffic(split.tile)
        exchanges = STEPS / every
        told = (exchanges * messages, exchanges * numbers * case.cell_bytes)
        name = f"{case.law} {case.plan}" + (", grid norm" if case.settings.get("normalise") == "grid" else "")
        return [
            *(name, f"{case.sides[0]} x {case.sides[1]}", str(every)),
            *(f"{sent[0] / STEPS:.4g}", f"{told[0] / STEPS:.4g}", f"{sent[1] / STEPS:,.0f}", f"{told[1] / STEPS:,.0f}"),
            *(f"{sent[2] / STEPS:.3g}", "yes" if torch.equal(cells, one.cells) else "NO", f"{1e3 * seconds / STEPS:.3g}"),
        ]


HEADER = (
    "law, plan | grid | k | messages a step | by formula | bytes a step | by formula | sums a step"
    " | equal to one process | ms a step"
)

# -- on paper ------------------------------------------------------------------------------------------------------
# Assumed, not measured: cell updates a second of one GPU; latency of an exchange along one axis and bytes a second that one
# GPU gets, within a node of 8 and between nodes; two microseconds more for each doubling of the processes in a sum over all.
PAPER = (  # name, radius, bytes a cell, cells a second, a sum over all processes in each step, edges at multiples along x
    ("GrowingNCA, 16 channels", 2, 64, 1.8e9, False, 1),
    ("Life, packed", 1, 1 / 8, 3e12, False, 64),
    ("MLP, d = 8, grid norm", 1, 64, 2.4e9, True, 1),
    ("Lenia, R = 13, direct sum", 13, 4, 1e10, False, 1),
)
NODE, NETWORK_LINK = Link(12e-6, 200e9), Link(25e-6, 40e9)
SPLITS = ((2, 4), (8, 8), (32, 32))


def efficiency(
    law: tuple[str, int, float, float, bool, int], grid: tuple[int, int], split: tuple[int, int], every: int
) -> float:
    """Share of the time of a step that is spent on cells of one's own; 0 where tiles are narrower than their margins."""
    _, radius, cell_bytes, rate, summed, unit = law
    link = NODE if prod(split) <= 8 else NETWORK_LINK  # GPUs in a node
    margin = (every * radius, -(-every * radius // unit) * unit)
    try:
        tile = Tiling(grid, split, (1, unit), margin, periodic=True).tile((0, 0))
    except ValueError:
        return 0.0
    seconds = step_seconds(tile, every, rate, cell_bytes, link)
    if summed:
        seconds += link.latency + 2e-6 * log2(prod(split))
    return prod(tile.size) / rate / seconds


def paper() -> list[str]:
    """The tables of `docs/split.md`: one grid on more GPUs, and grids that grow with the GPUs."""
    lines = []
    for title, grid_of in (
        ("A grid of 16,384 x 16,384 cells", lambda _: (16384, 16384)),
        ("8,192 x 8,192 cells on each GPU", lambda split: (8192 * split[0], 8192 * split[1])),
    ):
        rows = []
        for law in PAPER:
            row = [law[0]]
            for split in SPLITS:
                found = {every: efficiency(law, grid_of(split), split, every) for every in (1, 2, 4, 8, 16, 32, 64)}
                best = max(found.items(), key=_worth)[0]
                row.append(f"{found[1]:.2f} / {found[best]:.2f} (k = {best})")
            rows.append(row)
        lines += [f"{title}: efficiency at k = 1 / at the best k.", ""]
        header = " | ".join(["law", *(f"{prod(split):,} GPUs, {split[0]} x {split[1]}" for split in SPLITS)])
        lines += [*table(header, rows), ""]
    return lines


def _worth(found: tuple[int, float]) -> tuple[float, int]:
    """The better efficiency; of equal ones that with the narrower margin."""
    every, share = found
    return round(share, 3), -every


def main() -> None:
    """Prints the tables, and writes those of measurements where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="2x1")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--halo-steps", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--paper", action="store_true", help="the efficiency of many GPUs by the formula; needs no processes")
    wanted = parser.parse_args()
    if wanted.paper:
        print("\n".join(paper()))
        return
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", read_split(wanted.split))
    rows = [measured(case, every, mesh) for case in CASES for every in wanted.halo_steps]
    if dist.get_rank() == 0:
        lines = [
            f"{wanted.split} processes, gloo, one thread each; {STEPS} steps. Sent by rank 0; k steps between two exchanges.",
            "",
        ]
        publish("Split grids", [*lines, *table(HEADER, [row for row in rows if row])], wanted.out)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
