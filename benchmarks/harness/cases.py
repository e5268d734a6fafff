"""The laws as they are measured: their settings, grids and cells; and one measurement as a value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from aetheria import Aetheria_Motor, build_law
from aetheria.laws.base import Law
from aetheria.motor.initial import make_initial

Who = Literal["ours", "plain", "compiled", "CAX", "convolutions"]
PEERS: tuple[Who, ...] = ("plain", "compiled", "CAX")
# Cells move, and stay of the same size for thousands of steps.
_QUANTUM = {"d_state": 8, "hidden_channels": 32, "output_scale": 0.02}


@dataclass(frozen=True)
class Case:
    """One law as it is measured.

    Attributes:
        settings: of the law, or its weights.
        width: what the motor takes as `d_state`.
        initial: kind of the initial cells.
        meeting: side of the grid on which the peers are met on the CPU.
        largest: side of the largest grid on the CPU.
        cax: CAX has this law.
        convolutional: most of a step is convolutions between wide layers, which are therefore its ceiling.
        network: has products that a lower precision makes faster.
    """

    settings: dict[str, Any]
    width: int = 8
    initial: str = "noise"
    meeting: int = 256
    largest: int = 4096
    cax: bool = False
    convolutional: bool = False
    network: bool = True


CASES: dict[str, Case] = {
    "MLP": Case({**_QUANTUM, "perceive": "self"}),
    "DEEP_QCA": Case({**_QUANTUM, "perceive": "sum"}),
    "UNet": Case(_QUANTUM, largest=512, convolutional=True),
    "ConvLSTM": Case(_QUANTUM, largest=512, convolutional=True),
    # Untrained, of cells that all live, so that nobody is spared the dead ones. The half that does not fire in a step is not
    # asked by our kernel; the others compute and mask it.
    "GrowingNCA": Case({}, width=16, cax=True),
    "Life": Case({}, width=1, meeting=1024, cax=True, network=False),
    # Exponential core and growth, which CAX has too.
    "Lenia": Case({"core": "exponential", "growth": "exponential"}, width=1, meeting=512, cax=True, network=False),
}


@dataclass(frozen=True)
class Job:
    """One measurement: who steps which law on which grid.

    Attributes:
        who: "ours"; a peer; or the law's "convolutions" alone.
        law: a key of `CASES`.
        side: of the square grid, in cells.
        batch: universes.
        plan: of ours.
    """

    who: Who
    law: str
    side: int
    precision: str = "fp32"
    batch: int = 1
    device: str = "cpu"
    plan: str = "auto"

    @property
    def case(self) -> Case:
        """The law as it is measured."""
        return CASES[self.law]

    @property
    def cells(self) -> int:
        """Cells of all universes."""
        return self.batch * self.side**2


@dataclass
class Ready:
    """A contestant that has its cells.

    Attributes:
        advance: takes so many steps, and returns when they are done.
        plan, reason: how it steps, where there is a choice.
        peak: bytes of device memory it has used at most; None for what torch, or the process, says.
        facts: what else is known of a step.
    """

    advance: Callable[[int], None]
    plan: str = ""
    reason: str = ""
    peak: Callable[[], int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def build(law: str, **changes: Any) -> Law:
    """A fresh law of `CASES`, with some settings changed."""
    built = build_law(law, **{**CASES[law].settings, **changes})
    assert isinstance(built, Law)
    return built


def cells_for(job: Job, law: Law) -> Tensor:
    """The cells `(B, C, H, W)` that every contestant starts from, float32 on the CPU."""
    return make_initial(job.case.initial, law, (job.batch, law.channels, job.side, job.side), 0)


def motor_for(job: Job, law: Law | None = None) -> Aetheria_Motor:
    """Our motor for `job`, with another law of the same kind if one is given."""
    law = law or build(job.law)
    settings = {"plan": job.plan, "precision": job.precision}
    return Aetheria_Motor(law, job.side, job.case.width, job.device, settings, initial=cells_for(job, law), batch=job.batch)
