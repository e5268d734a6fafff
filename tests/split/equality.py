"""A motor on a split grid compared with one of one process, bit by bit; run in each process."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.distributed.device_mesh import DeviceMesh

from aetheria.laws import LAWS
from aetheria.laws.base import Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.split.layout import why_not
from tests.small_laws import boundaries, small_law

SIDES = {1: (102,), 2: (42, 50), 3: (18, 12, 10)}  # uneven tiles


@dataclass(frozen=True)
class Split:
    """A law on a grid, and how it is stepped by processes."""

    law: str
    grid: tuple[int, ...]
    halo_steps: int = 3
    steps: int = 20
    plan: str = "eager"
    batch: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    along: str = "y"

    def __str__(self) -> str:
        sides = "x".join(map(str, self.grid))
        return " ".join(
            [
                self.law,
                sides,
                f"k={self.halo_steps}",
                self.plan,
                f"along {self.along}",
                *(f"{k}={v}" for k, v in self.settings.items()),
            ]
        )

    def make(self, **options: Any) -> Aetheria_Motor:
        """The motor, on one process or on a mesh."""
        cfg = {"plan": self.plan, "planned_steps": 10**6, "exact_sums": True, **options.pop("cfg", {})}
        law = small_law(self.law, len(self.grid), **self.settings)
        initial = options.pop("initial", "noise")
        return Aetheria_Motor(law, self.grid, None, "cpu", cfg, initial=initial, batch=self.batch, seed=7, **options)


SUITE = (
    Split("Life", (128, 256), 8, 200, "packed"),
    Split("Life", (96, 128), 5, 60, "packed", settings={"boundary": "zero"}, along="x"),
    Split("Life", (42, 50), 4, settings={"boundary": "reflect"}, along="x"),
    Split("Elementary", (256,), 16, 200, "packed"),
    Split("Elementary", (101,), 4, settings={"boundary": "zero"}),
    Split("Generations", (20, 256), 6, 40, "packed", along="x"),
    Split("LargerThanLife", (40, 50), 2, plan="packed", settings={"rule": "R2,C2,S6-9,B7-8,NL"}, along="x"),
    Split("Cyclic", (18, 12, 10), along="x"),
    Split("SecondOrder", (42, 50)),
    Split("Margolus", (42, 50), settings={"boundary": "reflect"}, along="x"),
    Split("Margolus", (42, 80), plan="packed", along="x"),
    Split("HPP", (40, 24), plan="packed"),  # as many words in a packed row as cells
    Split("SecondOrder", (40, 128), plan="packed", along="x"),
    Split("FHP", (42, 50)),
    Split("Ising", (43, 49), settings={"boundary": "zero"}, along="x"),
    Split("SIR", (18, 12, 10)),
    Split("ContactProcess", (102,)),
    Split("GrowingNCA", (42, 50), along="x"),
    Split("GrowingNCA", (18, 300), 4, plan="fused", batch=2, along="x"),
    Split("MLP", (42, 50), plan="fused", settings={"normalise": "cell", "boundary": "zero"}),
    Split("DEEP_QCA", (42, 50), plan="fused", settings={"normalise": "cell"}, along="x"),
    Split("MLP", (42, 50), plan="fused", settings={"normalise": "grid"}, along="x"),
    Split("MLP", (42, 50), settings={"normalise": "grid", "output_scale": 3.0}, batch=2),
    Split("NeuralCA", (42, 50), settings={"radius": 2}),
    Split("ConvLSTM", (152, 48), 1, 4, settings={"normalise": "cell"}),
)


def sides_of(case: Split) -> tuple[int, ...]:
    """The mesh of two processes for a case."""
    return (
        (2,) if len(case.grid) == 1 or (len(case.grid) == 3 and case.along == "y") else (2, 1) if case.along == "y" else (1, 2)
    )


def every_law() -> Iterator[Split]:
    """Each registered law that can be split, in each rank and boundary."""
    for name, kind in LAWS.items():
        for rank in kind.ranks:
            for boundary in boundaries(name):
                given: dict[str, Any] = {"boundary": boundary} if len(boundaries(name)) > 1 else {}
                law = small_law(name, rank, **given)
                if isinstance(law, Law) and not why_not(law):
                    yield Split(name, sides_for(law, rank), settings=given, halo_steps=2 if (law.radius or 1) > 3 else 3)


def sides_for(law: Law, rank: int) -> tuple[int, ...]:
    """Sides that the law can step, wide enough for its margins."""
    least = 8 * (law.radius or 1)
    return tuple(-(-max(side, least) // law.divisor) * law.divisor for side in SIDES[rank])


def differing(case: Split, mesh: DeviceMesh) -> tuple[int, float, bool]:
    """Cells that differ from those of one process, the largest difference, and whether the cells moved at all."""
    with case.make(mesh=mesh, cfg={"halo_steps": case.halo_steps}) as motor:
        before = motor.cells
        motor.step(case.steps // 3)
        motor.step(case.steps - case.steps // 3)
        cells = motor.cells
        if motor.split is None or not motor.split.leads:
            return 0, 0.0, True
        with case.make(initial=before) as whole:
            whole.step(case.steps)
            expected = whole.cells
        difference = (cells - expected).abs()
        moved = not torch.equal(before, expected) and bool(expected.isfinite().all())
        return int((cells != expected).sum()), float(difference.max()), moved
