"""Norm of the unitary laws over many steps in float32, and the cells after as many steps back.

python -m benchmarks.accuracy.unitarity --out benchmarks/results/unitarity.md
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aetheria import Aetheria_Motor
from aetheria.laws import Law, build_law
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import Row, table

CASES: dict[str, tuple[Mapping[str, Any], tuple[int, ...]]] = {
    "QuantumWalk": ({}, (64,)),
    "DiracQCA": ({}, (64,)),
    "LearnedQCA": ({}, (64,)),
    "LearnedQCA, walls": ({"boundary": "reflect"}, (63,)),
}
_NOTE = (
    "Eager steps in float32 on 64 cells (63 between walls) from noise. Change of the norm: relative, the largest at any of "
    "100 evenly spaced steps. Difference: of the cells after as many steps back from those at the start, over the largest cell."
)


def drift(case: str, steps: int, back: int) -> Row:
    """A row: the change of the norm over `steps` steps, and the difference after `back` steps and as many back."""
    settings, grid = CASES[case]
    law = build_law(case.partition(",")[0], **settings)
    assert isinstance(law, Law)
    assert law.d_state is not None
    motor = Aetheria_Motor(law, grid, law.d_state, "cpu", {"plan": "eager"}, initial="noise")
    start, norm = motor.cells, float(motor.read("norm"))
    motor.step(back)
    motor.reverse(back)
    difference = float((motor.cells - start).abs().max() / start.abs().max())
    largest = 0.0
    for _ in range(min(100, steps)):
        motor.step(max(1, steps // 100))
        largest = max(largest, abs(float(motor.read("norm")) / norm - 1))
    return [case, f"{motor.step_count:,}", f"{largest:.1e}", f"{back:,}", f"{difference:.1e}" if difference else "0, every bit"]


def main() -> None:
    """Prints the table, and writes it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--back", type=int, default=10_000)
    wanted = parser.parse_args()
    rows = [drift(case, wanted.steps, wanted.back) for case in wanted.cases]
    head = "law | steps | largest change of the norm | steps there and back | difference"
    publish("Unitary laws: norm and reversal", [_NOTE, "", *table(head, rows)], wanted.out)


if __name__ == "__main__":
    main()
