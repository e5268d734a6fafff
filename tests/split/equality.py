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

    def __str__(self) -> str:
        sides = "x".join(map(str, self.grid))
        return " ".join([self.law, sides, f"k={self.halo_steps}", self.plan, *(f"{k}={v}" for k, v in self.settings.items())])

    def make(self, **options: Any) -> Aetheria_Motor:
        """The motor, on one process or on a mesh."""
        cfg = {"plan": self.plan, "planned_steps": 10**6, **options.pop("cfg", {})}
        law = small_law(self.law, len(self.grid), **self.settings)
        initial = options.pop("initial", "noise")
        return Aetheria_Motor(law, self.grid, None, "cpu", cfg, initial=initial, batch=self.batch, seed=7, **options)


NETWORKS = (
    Split("GrowingNCA", (42, 50)),
    Split("GrowingNCA", (42, 50), plan="fused", settings={"boundary": "zero"}),
    Split("GrowingNCA", (42, 300), plan="fused", halo_steps=4, batch=2),
    Split("GrowingNCA", (102,)),
    Split("GrowingNCA", (18, 12, 10)),
    Split("MLP", (42, 50), settings={"normalise": "cell"}),
    Split("MLP", (42, 50), plan="fused", settings={"normalise": "cell"}),
    Split("MLP", (42, 50), plan="fused", settings={"normalise": "none", "boundary": "reflect"}),
    Split("DEEP_QCA", (42, 50), settings={"normalise": "cell"}),
    Split("DEEP_QCA", (42, 50), plan="fused", settings={"normalise": "cell"}),
    Split("DEEP_QCA", (18, 12, 10), settings={"normalise": "cell"}),
    Split("NeuralCA", (42, 50), settings={"radius": 2}),
    Split("UNet", (140, 48), halo_steps=1, steps=6, settings={"normalise": "cell"}),
    Split("ConvLSTM", (152, 48), halo_steps=1, steps=6, settings={"normalise": "cell"}),
)


def every_law() -> Iterator[Split]:
    """Each registered law that can be split, in each rank and boundary."""
    for name, kind in LAWS.items():
        for rank in kind.ranks:
            for boundary in boundaries(name):
                given = {"boundary": boundary} if len(boundaries(name)) > 1 else {}
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
        different = ~((cells == expected) | (cells.isnan() & expected.isnan()))
        return int(different.sum()), float(difference.max()), not torch.equal(before, expected)
