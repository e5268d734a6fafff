"""`CellNetwork`: a small network at every cell, the common form of many laws that one fused kernel can step."""

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.laws.checks import Boundary
from aetheria.laws.hash_noise import Place

Activation = Literal["none", "elu", "relu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)  # numbered in this order in the kernels (enums.h)
Normalise = Literal["none", "cell", "grid"]
NORMALISATIONS: tuple[Normalise, ...] = get_args(Normalise)  # numbered in this order in the kernels (enums.h)
Filters = tuple[tuple[tuple[float, ...], ...], ...]  # F filters, each 3 rows of 3


@dataclass(frozen=True)
class Dense:
    """One layer at each cell: `activation(norm(weight @ inputs + bias))`.

    Attributes:
        weight: `(outputs, inputs)`.
        bias: `(outputs,)` or None.
        scale: `(outputs,)`, the scale of a root-mean-square norm over the outputs, or None for no norm.
        eps: of the norm.
    """

    weight: Tensor
    bias: Tensor | None
    activation: Activation
    scale: Tensor | None = None
    eps: float = 0.0


@dataclass(frozen=True)
class CellNetwork:
    """Perceive with fixed 3x3 filters, run dense layers at each cell, update.

    With F filters and C channels, input `f * C + c` of the first layer is filter f applied (cross-correlation) to channel c
    at the cell; the last layer gives Delta `(C,)`. The next cells are `cells + Delta - decay * cells`, at the cells that fire,
    then masked or normalised.

    Attributes:
        filters: F filters, each 3 rows of 3.
        layers: two or more.
        boundary: the cells beyond the edge.
        decay: share of the cells lost per step.
        normalise: "none", "cell" or "grid", as `QuantumLaw` has them.
        fire_rate: chance that a cell fires, drawn by `aetheria.laws.hash_noise` from the memory (seed, step); None if all do.
        alive: (channel, threshold): a cell with nothing above the threshold in its 3x3 neighbourhood, before or after the
            step, becomes zero; None if all cells live.
        place: of the cells in a larger grid, whose coordinates decide which cells fire; None for a whole grid.
    """

    filters: Filters
    layers: tuple[Dense, ...]
    boundary: Boundary
    decay: float = 0.0
    normalise: Normalise = "none"
    fire_rate: float | None = None
    alive: tuple[int, float] | None = None
    place: Place | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            LawError: filters that are not 3x3, or layers that do not follow each other.
        """
        if not self.filters or any(len(rows) != 3 or any(len(row) != 3 for row in rows) for rows in self.filters):
            raise LawError("cell_network: filters must be one or more, each 3 rows of 3")
        if len(self.layers) < 2:
            raise LawError(f"cell_network: {len(self.layers)} layers given; expected two or more")
        inputs = len(self.filters) * self.channels
        for number, layer in enumerate(self.layers):
            shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (layer.weight, layer.bias, layer.scale)]
            outputs = len(layer.weight)
            if shapes[0] != (outputs, inputs) or not {shapes[1], shapes[2]} <= {None, (outputs,)}:
                raise LawError(
                    f"cell_network: layer {number} has weight, bias and scale of shapes {shapes}; its {inputs} inputs (filters "
                    "times channels, or the outputs before) and its outputs must agree"
                )
            inputs = outputs
        if self.alive is not None and not 0 <= self.alive[0] < self.channels:
            raise LawError(f"cell_network: alive channel {self.alive[0]}; the law has {self.channels}")

    @property
    def channels(self) -> int:
        """Channels C: the outputs of the last layer."""
        return len(self.layers[-1].weight)


def one_hot(*taps: tuple[int, ...]) -> Filters:
    """Filters that each read one neighbour, given as (row, column) of the 3x3 neighbourhood."""
    return tuple(tuple(tuple(float((y, x) == tap) for x in range(3)) for y in range(3)) for tap in taps)
