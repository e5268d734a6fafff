"""Laws that take several steps in one pass over the grid on the CPU: beside the compiled step, eager steps and a copy.

python -m benchmarks.speed.passes --out benchmarks/results/passes.md
python -m benchmarks.speed.passes --quick   # takes seconds: a check that it works
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aetheria import build_law
from aetheria.laws.base import Law
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.factories import automatic, make_eager
from aetheria.stepping.plan import Plan, State, make_step
from aetheria.stepping.plan_factory import StepProblem
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import QUICK, printed, table

Advance = Callable[[int], object]
_TURNS = 9
_LARGE = 1 << 28  # bytes: a copy of more than caches hold
_HEAD = (
    "law | grid | plan | ms/step | compiled, ms | eager, ms | Gcell/s | x compiled | of copy | of large copy | compiled: of it"
)


@dataclass(frozen=True)
class Case:
    """A law with its settings, as in `build_law`, and a grid."""

    law: str
    grid: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    batch: int = 1


_BRUSSELATOR = {
    "reaction": {"u": "A - (B + 1)*u + u^2*v", "v": "B*u - u^2*v"},
    "diffusion": {"u": 1.0, "v": 8.0},
    "constants": {"A": 4.5, "B": 7.5},
    "rest": {"u": 4.5, "v": 1.667},
    "dt": 0.005,
}
CASES = (
    Case("GrayScott", (1024, 1024)),
    Case("GrayScott", (64, 64), batch=64),
    Case("GrayScott", (256, 256)),
    Case("GrayScott", (4096, 4096)),
    Case("GrayScott", (1024, 1024), {"laplacian": "9-point", "Du": 0.3, "Dv": 0.15}),
    Case("FitzHughNagumo", (1024, 1024)),
    Case("ReactionDiffusion", (1024, 1024), _BRUSSELATOR),
    Case("CoupledMapLattice", (1024, 1024)),
    Case("Kuramoto", (1024, 1024)),
    Case("QuantumWalk", (1024, 1024), {"rank": 2, "coin": "grover"}),
    Case("QuantumWalk", (1 << 20,), {"rank": 1, "coin": "hadamard"}),
    Case("QuantumWalk", (1024, 1024), {"rank": 2, "coin": "grover", "boundary": "reflect"}),
    Case("QuantumWalk", (1 << 20,), {"rank": 1, "coin": "hadamard", "boundary": "reflect"}),
    Case("QuantumWalk", (1024, 1024), {"rank": 2, "coin": "grover", "phase": "random"}),
    Case("QuantumWalk", (1 << 20,), {"rank": 1, "coin": "hadamard", "phase": "random"}),
    Case("QuantumWalk", (64, 64, 64), {"rank": 3, "coin": "grover"}),
    Case("QuantumWalk", (128, 128, 128), {"rank": 3, "coin": "grover"}),
    Case("QuantumWalk", (64, 64, 64), {"rank": 3, "coin": "grover", "phase": "random"}),
    Case("QuantumWalk", (128, 128, 128), {"rank": 3, "coin": "grover", "phase": "random"}),
    Case("GrayScott", (128, 128, 128)),
    Case("DiracQCA", (1024, 1024), {"rank": 2}),
    Case("DiracQCA", (1 << 20,), {"rank": 1}),
)


@torch.inference_mode()
def measure(case: Case, seconds: float, shrink: int) -> list[str]:
    """A row of the table: medians of turns, in which each contestant has its part of the seconds."""
    grid = tuple(max(16, side // shrink) for side in case.grid)
    law = build_law(case.law, **case.settings)
    assert isinstance(law, Law)
    cells = torch.stack([law.random_cells(grid, torch.Generator().manual_seed(seed)) for seed in range(case.batch)])
    problem = StepProblem(law, (cells,), "fp32")
    ours = automatic(problem)[0]
    plans = (ours.make(problem), Compiled(make_step(problem.call()), (cells,)), make_eager(problem))
    large = torch.zeros(_LARGE // shrink**2, dtype=torch.uint8)
    contestants = [*(_stepping(plan, (cells,)) for plan in plans), _copying(cells), _copying(large)]
    *ms, copy, large_copy = (1e3 * each for each in medians(contestants, seconds))
    large_copy *= cells.nbytes / large.nbytes
    shares = [copy / ms[0], large_copy / ms[0], large_copy / ms[1]]
    name = " ".join([case.law, *(str(value) for value in case.settings.values() if isinstance(value, str))])
    sides = " x ".join(map(str, grid)) + (f", {case.batch} universes" if case.batch > 1 else "")
    rate = case.batch * math.prod(grid) / ms[0] / 1e6
    return [
        name,
        sides,
        plans[0].name,
        *(f"{each:.3g}" for each in (*ms, rate, ms[1] / ms[0])),
        *(f"{each:.2f}" for each in shares),
    ]


def _copying(cells: Tensor) -> Advance:
    other = torch.empty_like(cells)
    return lambda times: [other.copy_(cells) for _ in range(times)]


def _stepping(plan: Plan, state: State) -> Advance:
    held = plan.pack(tuple(tensor.clone() for tensor in state))

    def advance(steps: int) -> None:
        nonlocal held
        held = plan.advance(held, steps)

    return advance


def medians(contestants: Sequence[Advance], seconds: float) -> list[float]:
    """Processor time of a step by each: the median of turns in rotation."""
    steps = [max(1, int(seconds / _TURNS / max(_timed(advance, 2), 1e-7))) for advance in contestants]
    turns = [[_timed(advance, n) for advance, n in zip(contestants, steps, strict=True)] for _ in range(_TURNS)]
    return [statistics.median(times) for times in zip(*turns, strict=True)]


def _timed(advance: Advance, steps: int) -> float:
    """Processor time of a step, in all threads."""
    began = time.process_time()
    advance(steps)
    return (time.process_time() - began) / steps


def report(cases: Sequence[Case], seconds: float, shrink: int = 1) -> list[str]:
    """The lines of the report."""
    rows = printed(measure(case, seconds, shrink) for case in cases)
    lines = [
        f"Periodic where no boundary is named, float32, {torch.get_num_threads()} threads of torch. By turns in one process: "
        f"medians of {_TURNS} turns,",
        "of processor time, which other tasks on the machine disturb less than they do a clock.",
        "Of copy: the time of a copy of all cells, which may stay in the caches, over that of a step.",
        f"Of large copy: the same with the rate of a copy of {_LARGE >> 20} MiB, which does not.",
        "",
    ]
    return [*lines, *(QUICK if shrink > 1 else ()), *table(_HEAD, rows)]


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=sorted({case.law for case in CASES}))
    parser.add_argument("--seconds", type=float, default=4.0, help="of timed steps of each contestant")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="a line about the run, for the report")
    parser.add_argument("--quick", action="store_true", help="tiny grids and short times: the figures have no meaning")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    cases = [case for case in CASES if wanted.laws is None or case.law in wanted.laws]
    lines = report(cases, *((0.01, 64) if wanted.quick else (wanted.seconds, 1)))
    publish("Passes", ([wanted.note, ""] if wanted.note else []) + lines, wanted.out)


if __name__ == "__main__":
    main()
