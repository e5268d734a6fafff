"""Benchmark cases: settings, grids and cells of each law, and the job of one measurement."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from aetheria import Aetheria_Motor, build_law
from aetheria.laws.base import Law
from aetheria.motor.initial import make_initial

ContestantName = Literal["ours", "plain", "compiled", "CAX", "convolutions"]
PEERS: tuple[ContestantName, ...] = ("plain", "compiled", "CAX")
# With these, cells change and stay bounded for thousands of steps.
_QUANTUM = {"d_state": 8, "hidden_channels": 32, "output_scale": 0.02}


@dataclass(frozen=True)
class Case:
    """The settings of a law in benchmarks.

    Attributes:
        settings: parameters of the law.
        width: the motor's argument `d_state`.
        initial: kind of the initial cells.
        peer_side: side of the grid on which all contestants are measured on the CPU.
        largest: side of the largest grid on the CPU.
        cax: CAX has this law.
        convolutional: most of a step is convolutions between wide layers, which are therefore its lower bound.
        network: it has matrix products, which a lower precision makes faster.
    """

    settings: dict[str, Any]
    width: int = 8
    initial: str = "noise"
    peer_side: int = 256
    largest: int = 4096
    cax: bool = False
    convolutional: bool = False
    network: bool = True


CASES: dict[str, Case] = {
    "MLP": Case({**_QUANTUM, "perceive": "self"}),
    "DEEP_QCA": Case({**_QUANTUM, "perceive": "sum"}),
    "UNet": Case(_QUANTUM, largest=512, convolutional=True),
    "ConvLSTM": Case(_QUANTUM, largest=512, convolutional=True),
    # Untrained, with only live cells, so that no contestant can skip dead ones. Our kernel skips the half that does not fire
    # in a step; the others compute and mask it.
    "GrowingNCA": Case({}, width=16, cax=True),
    "Life": Case({}, width=1, peer_side=1024, cax=True, network=False),
    # Exponential core and growth, which CAX has too.
    "Lenia": Case({"core": "exponential", "growth": "exponential"}, width=1, peer_side=512, cax=True, network=False),
}


@dataclass(frozen=True)
class Job:
    """One measurement: a contestant, a law and a grid.

    Attributes:
        contestant: "ours", a peer, or the law's "convolutions" alone.
        law: a key of `CASES`.
        side: of the square grid, in cells.
        batch: number of universes.
        plan: of ours.
    """

    contestant: ContestantName
    law: str
    side: int
    precision: str = "fp32"
    batch: int = 1
    device: str = "cpu"
    plan: str = "auto"

    @property
    def case(self) -> Case:
        """The settings of the law."""
        return CASES[self.law]

    @property
    def cells(self) -> int:
        """Number of cells in all universes."""
        return self.batch * self.side**2


@dataclass
class Contestant:
    """A contestant with its initial cells.

    Attributes:
        advance: takes the given number of steps, and returns when they are done.
        plan, reason: its plan, and the reason for the choice.
        peak: returns its peak memory in bytes; None for the peak of torch or of the process.
        facts: further figures of a step.
    """

    advance: Callable[[int], None]
    plan: str = ""
    reason: str = ""
    peak: Callable[[], int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def build(law: str, **changes: Any) -> Law:
    """A new law of `CASES`, with some settings changed."""
    built = build_law(law, **{**CASES[law].settings, **changes})
    assert isinstance(built, Law)
    return built


def cells_for(job: Job, law: Law) -> Tensor:
    """The initial cells `(B, C, H, W)` of every contestant, float32 on the CPU."""
    return make_initial(job.case.initial, law, (job.batch, law.channels, job.side, job.side), 0)


def motor_for(job: Job, law: Law | None = None) -> Aetheria_Motor:
    """Our motor for `job`; with `law` for another law of the same kind."""
    law = law or build(job.law)
    settings = {"plan": job.plan, "precision": job.precision}
    return Aetheria_Motor(law, job.side, job.case.width, job.device, settings, initial=cells_for(job, law), batch=job.batch)
