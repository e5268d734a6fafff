"""Rates of the discrete laws on the CPU: packed plans, the plain law, and other programs, in one run.

python -m benchmarks.speed.discrete --out benchmarks/results/discrete.md
python -m benchmarks.speed.discrete --quick   # takes seconds: a check that it works

Peers that are not installed are left out: CAX and CellPyLib (extra `bench`), bgolly (Debian's package `golly`; `--golly PATH`).
"""

import argparse
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria import Aetheria_Motor, build_law
from aetheria.diagnostics.bench import seconds_per_step, synchronised_step
from aetheria.laws.base import Law
from benchmarks.harness.machine import publish
from benchmarks.harness.processes import Measurement, run_isolated
from benchmarks.harness.tables import NOTHING, QUICK, printed, table

Grid = tuple[int, ...]
_SQUARE, _ROW, _CUBE = (2048, 2048), (1 << 20,), (128, 128, 128)


@dataclass(frozen=True)
class Case:
    """A law and its peers.

    Attributes:
        law, settings: as in `build_law`.
        algorithm, rule: of bgolly, without the size of its torus; empty where it is no peer.
        peers: further ones: "CAX", "CellPyLib", "convolution".
        goal: of the ratios, for people.
    """

    law: str
    settings: dict[str, Any] = field(default_factory=dict)
    grid: Grid = _SQUARE
    algorithm: str = ""
    rule: str = ""
    peers: tuple[str, ...] = ()
    goal: str = ""

    @property
    def name(self) -> str:
        """The law and its settings."""
        return " ".join([self.law, *map(str, self.settings.values())])


def _golly(law: str, rule: str, algorithm: str, goal: str) -> Case:
    return Case(law, {"rule": rule}, algorithm=algorithm, rule=rule, goal=goal)


_TENTH = "10x the plain law, or 40 % of the copy"
CASES = (
    _golly("Life", "B3/S23", "QuickLife", ""),
    _golly("Life", "B2-a/S12", "QuickLife", "14x bgolly, 1/8 of B3/S23"),
    _golly("Life", "B3/S23V", "QuickLife", "the same"),
    _golly("Generations", "345/2/4", "Generations", "300x bgolly, 1/10 of B3/S23"),
    _golly("Generations", "345/2/16", "Generations", "the same"),
    _golly("LargerThanLife", "R3,C0,M1,S14..24,B14..19,NM", "Larger than Life", "flat in R"),
    _golly("LargerThanLife", "R5,C0,M1,S34..58,B34..45,NM", "Larger than Life", "10x bgolly"),
    _golly("LargerThanLife", "R10,C0,M1,S123..213,B123..165,NM", "Larger than Life", "10x bgolly, R 3 within 1.4x"),
    _golly("LargerThanLife", "R7,C0,M1,S50..85,B50..66,NC", "Larger than Life", "40x bgolly"),
    _golly("RuleTable", "WireWorld", "RuleLoader", "5x bgolly"),
    _golly("RuleTable", "JvN29", "RuleLoader", "5x bgolly"),
    Case("Elementary", {"rule": 110}, _ROW, peers=("CAX", "CellPyLib"), goal="100x CAX, 10,000x CellPyLib"),
    Case("Life3D", {}, _CUBE, peers=("convolution",), goal="50x a plain torch convolution"),
    Case("Life3D", {"rule": "B4/S", "states": 5}, _CUBE, goal="the same"),
    Case("SecondOrder", {"rule": "B1357/S02468"}, goal=_TENTH),
    Case("Margolus", {"rule": "critters"}, goal=_TENTH),
    Case("Margolus", {"rule": "sand"}, goal=_TENTH),
    Case("Margolus", {"rule": "dla"}, goal=_TENTH),
    Case("HPP", {}, goal=_TENTH),
    Case("Cyclic", {}, goal=_TENTH),
    Case("GreenbergHastings", {}, goal=_TENTH),
    Case("LogicGates", {"channels": 8}, (256, 256)),
)


@dataclass(frozen=True)
class Options:
    """Settings of a run: seconds of each measurement, a factor by which sides are smaller, and bgolly's path."""

    seconds: float = 0.5
    shrink: int = 1
    golly: str | None = None

    def grid(self, case: Case) -> Grid:
        """The grid of a case."""
        return tuple(max(16, side // self.shrink) for side in case.grid)


def build(case: Case) -> Law:
    """The law of a case."""
    law = build_law(case.law, **case.settings).eval()
    assert isinstance(law, Law)
    return law


def soup(law: Law, grid: Grid) -> Tensor:
    """First cells `(C, *grid)` of all contestants."""
    return law.random_cells(grid, torch.Generator().manual_seed(0))


def ours(case: Case, options: Options, plan: str) -> float:
    """Seconds of a step by one of our plans."""
    grid, law = options.grid(case), build(case)
    motor = Aetheria_Motor(law, grid, law.channels, "cpu", {"plan": plan}, initial=soup(law, grid))
    motor.warm_up()
    return seconds_per_step(synchronised_step(motor), options.seconds)


def copy(case: Case, options: Options) -> float:
    """Seconds of a copy of the packed state."""
    grid, law = options.grid(case), build(case)
    motor = Aetheria_Motor(law, grid, law.channels, "cpu", {"plan": "packed"}, initial=soup(law, grid))
    plan = motor.warm_up()
    packed = plan.pack((motor.cells.reshape(1, law.channels, *grid), *motor.memory))[0]
    other = torch.empty_like(packed)
    return seconds_per_step(lambda steps: [other.copy_(packed) for _ in range(steps)], options.seconds)


def convolution(case: Case, options: Options) -> float:
    """Seconds of a step of B5/S4,5 as a plain convolution of torch."""
    cells = soup(build(case), options.grid(case))[None]

    def advance(steps: int) -> None:
        nonlocal cells
        with torch.inference_mode():
            for _ in range(steps):
                cells = convolved(cells)

    return seconds_per_step(advance, options.seconds)


def convolved(cells: Tensor) -> Tensor:
    """Cells `(1, 1, D, H, W)` of B5/S4,5 a step later."""
    weights = torch.ones(1, 1, 3, 3, 3)
    weights[0, 0, 1, 1, 1] = 0
    counts = F.conv3d(F.pad(cells, (1,) * 6, mode="circular"), weights)
    return ((counts == 5) | ((cells == 1) & (counts == 4))).float()


def peer(task: str, case: Case, options: Options) -> float | str:
    """Seconds of a step of another program, or why there are none."""
    settings: dict[str, Any] = {"seconds": options.seconds, "grid": options.grid(case)}
    if task == "bgolly":
        settings |= {"law": case.law, "settings": case.settings, "algorithm": case.algorithm, "golly": options.golly}
    found: Measurement = run_isolated(f"benchmarks.harness.cellular_peers:{task.lower()}", **settings)
    return float(found["seconds"]) if "seconds" in found else str(found["missing"])


def measure(case: Case, options: Options) -> list[str]:
    """A row of the table."""
    cells = math.prod(options.grid(case))
    packed = ours(case, options, "packed")
    eager, copied = ours(case, options, "eager"), copy(case, options)
    others: dict[str, float | str] = {}
    if case.algorithm:
        others["bgolly"] = peer("bgolly", case, options) if options.golly else "not installed"
    for name in case.peers:
        others[name] = convolution(case, options) if name == "convolution" else peer(name, case, options)
    ratios = [
        f"{name} {each / packed:,.3g}x" if isinstance(each, float) else f"{name}: {each}" for name, each in others.items()
    ]
    sides = " x ".join(map(str, options.grid(case)))
    figures = [f"{cells / packed / 1e9:.3g}", f"{eager / packed:.3g}", f"{copied / packed:.0%}"]
    return [case.name, sides, *figures, "; ".join(ratios) or NOTHING, case.goal or NOTHING]


def report(cases: Sequence[Case], options: Options) -> list[str]:
    """The lines of the report."""
    rows = printed(measure(case, options) for case in cases)
    threads = torch.get_num_threads()
    lines = [
        f"{threads} threads of torch. Soups on a torus; each contestant in turn in one run, bgolly on one thread, CellPyLib",
        "with memoisation on 2^12 cells. Plain law: eager steps. Copy: of the packed state from one tensor to another.",
        "",
    ]
    if options.shrink > 1:
        lines += QUICK
    return lines + table("law | grid | Gcell/s | x plain law | of copy | x peers | goal", rows)


def main() -> None:
    """Prints the table, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=sorted({case.law for case in CASES}))
    parser.add_argument("--seconds", type=float, default=0.5, help="of timed steps each")
    parser.add_argument("--golly", default=shutil.which("bgolly"), help="path of bgolly")
    parser.add_argument("--note", default="", help="a line about the run, for the report")
    parser.add_argument("--quick", action="store_true", help="tiny grids and short times: the figures have no meaning")
    wanted = parser.parse_args()
    options = Options(0.01, 64, wanted.golly) if wanted.quick else Options(wanted.seconds, 1, wanted.golly)
    cases = [case for case in CASES if wanted.laws is None or case.law in wanted.laws]
    note = [wanted.note, ""] if wanted.note else []
    publish("Discrete laws", note + report(cases, options), wanted.out)


if __name__ == "__main__":
    main()
