"""Laws whose parameters differ by universe: one motor for all of them, beside one motor after the other, by the same plan.

python -m benchmarks.speed.universes --out benchmarks/results/universes.md
python -m benchmarks.speed.universes --quick   # takes seconds: a check that it works
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from aetheria import build_law
from aetheria.laws.base import Law
from aetheria.stepping.factories import automatic, make_eager
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.plan_factory import StepProblem
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import QUICK, table

_TURNS = 5
# The law, its settings, and the control that differs.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "Lenia": ({}, "m"),
    "FlowLenia": ({}, "m"),
    "SmoothLife": ({}, "b1"),
    "GrayScott": ({}, "F"),
    "FitzHughNagumo": ({}, "a0"),
    "Kuramoto": ({}, "K"),
    "CoupledMapLattice": ({}, "a"),
    "ReactionDiffusion": ({"reaction": {"u": "a*u - b*u^3"}, "constants": {"a": 1.0, "b": 0.5}}, "a"),
    "QuantumWalk": ({"rank": 2, "coin": "rotation"}, "angle"),
    "DiracQCA": ({"rank": 2}, "mass"),
    "MLP": ({"d_state": 4, "decay": 0.1}, "decay"),
    "DEEP_QCA": ({"d_state": 4, "decay": 0.1}, "decay"),
    "GrowingNCA": ({}, "fire_rate"),
    "AttentionNCA": ({}, "fire_rate"),
}
_HEAD = "law | differs | plan | one motor, ms/step of all | one by one, ms/step of all | x faster"


class Stepping:
    """One plan and its state."""

    def __init__(self, law: Law, cells: torch.Tensor, eager: bool) -> None:
        memory = law.initial_memory(cells, 1) if law.stochastic else law.initial_memory(cells)  # type: ignore[call-arg]
        problem = StepProblem(law, (cells, *memory), "fp32")
        fused = [factory for factory in automatic(problem) if factory.name == "fused"]
        self.plan: Plan = make_eager(problem) if eager or not fused else fused[0].make(problem)
        self.held: State = self.plan.pack(problem.state)

    def advance(self, steps: int) -> None:
        """Takes steps."""
        self.held = self.plan.advance(self.held, steps)


def seconds(some: Sequence[Stepping], steps: int) -> float:
    """Processor time of a step of all of them, of which each takes all its steps before the next."""
    began = time.process_time()
    for each in some:
        each.advance(steps)
    return (time.process_time() - began) / steps


@torch.inference_mode()
def measure(name: str, eager: bool, universes: int, side: int, steps: int) -> list[str]:
    """A row of the table: medians of turns."""
    settings, control = CASES[name]
    together, *alone = (build_law(name, seed=0, **settings) for _ in range(1 + universes))
    assert isinstance(together, Law)
    present = together.get_control(control)
    assert isinstance(present, float)
    numbers = torch.linspace(0.9, 1.0, universes) * present
    setattr(together, control, numbers)
    cells = torch.stack([together.random_cells((side, side), torch.Generator().manual_seed(u)) for u in range(universes)])
    for law, number in zip(alone, numbers, strict=True):
        law.set_control(control, float(number))  # type: ignore[operator]
    one = [Stepping(together, cells, eager)]
    each = [Stepping(law, cells[u : u + 1].clone(), eager) for u, law in enumerate(alone) if isinstance(law, Law)]
    seconds(one, 1), seconds(each, 1)
    turns = [(seconds(one, steps), seconds(each, steps)) for _ in range(_TURNS)]
    ms = [1e3 * statistics.median(times) for times in zip(*turns, strict=True)]
    faster = statistics.median(other / first for first, other in turns)
    return [name, control, one[0].plan.name, *(f"{value:.3g}" for value in ms), f"{faster:.2f}"]


def report(names: Sequence[str], universes: int, side: int, steps: int) -> list[str]:
    """The lines of the report."""
    rows: list[list[str]] = []
    for name in names:
        for eager in (False, True):
            row = measure(name, eager, universes, side, steps)
            if row not in rows and (not eager or rows[-1][2] != "eager"):
                rows.append(row)
                sys.stderr.write(" | ".join(row) + "\n")
    return [
        f"{universes} universes of {side} x {side}, a number of the law for each; {torch.get_num_threads()} threads,",
        f"{steps} steps a call.",
        f"By turns in one process, medians of {_TURNS} turns, of processor time.",
        "",
        *table(_HEAD, rows),
    ]


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--universes", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="of a call")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="a line about the run, for the report")
    parser.add_argument("--quick", action="store_true", help="tiny grids and few steps: the figures have no meaning")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    lines = report(wanted.laws, *((3, 16, 1) if wanted.quick else (wanted.universes, 64, wanted.steps)))
    if wanted.quick:
        lines = [*QUICK, *lines]
    publish("Numbers that differ by universe", ([wanted.note, ""] if wanted.note else []) + lines, wanted.out)


if __name__ == "__main__":
    main()
