"""Description of laws with ring-shaped kernels for the kernels in C++."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

from aetheria.laws.checks import Boundary

Curve = Literal["polynomial", "exponential"]
Update = Literal["clip", "sigmoid", "free", "flow"]
# Numbered in this order in the kernels (enums.h).
CURVES: tuple[Curve, ...] = ("polynomial", "exponential")
UPDATES: tuple[Update, ...] = ("clip", "sigmoid", "free", "flow")


class RingNumbers(NamedTuple):
    """Numbers of `RingKernels`, float64.

    Attributes:
        growths: `(B, K, 3)`: m, s and h of each kernel.
        added: `(B, channels)`: the number that is added to the growths of a channel.
        dt: `(B,)`: time units per step.
        crowding: `(B,)`: mass of a cell at which matter spreads out only, for "flow".
    """

    growths: Tensor
    added: Tensor
    dt: Tensor
    crowding: Tensor | None = None


class MatterFlow(NamedTuple):
    """How matter moves in `FlowLenia`: its settings `dd`, `sigma` and `n`, and the number of weights that cells carry."""

    dd: int
    sigma: float
    n: float
    carried: int


@dataclass(frozen=True)
class RingKernels:
    """A <- update(A + dt (G - decay A)), on a two-dimensional grid.

    G of a channel is a number plus the sum of h growth(kernel * A[source]) over the kernels that have it as their target.

    Attributes:
        kernels: makes the kernels, each `(2R + 1, 2R + 1)` with an R of its own, float64, sum 1, the same under reflection
            along each axis.
        sources, targets: by kernel, the channel that it reads, and the one that it adds to.
        channels: number of channels that kernels read and add to.
        growth: 2 max(0, 1 - (u - m)^2 / (9 s^2))^4 - 1 ("polynomial") or 2 exp(-(u - m)^2 / (2 s^2)) - 1 ("exponential").
        numbers: gives the present numbers for cells `(B, C, H, W)`.
        update: "clip" to 0..1, "sigmoid" (1 / (1 + exp(-4 (x - 1/2)))), "free" (x itself), or "flow": `flow` of G.
        decay: 0 or 1.
        boundary: the cells beyond the edge.
        shape_key: changes when the kernels do, and is cheap to compare.
        flow: of the matter, for "flow".
    """

    kernels: Callable[[], Sequence[Tensor]] = field(compare=False)
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    channels: int
    growth: Curve
    numbers: Callable[[Tensor], RingNumbers] = field(compare=False)
    update: Update
    decay: float
    boundary: Boundary
    shape_key: tuple[object, ...]
    flow: MatterFlow | None = None
