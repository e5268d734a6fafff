"""`CellNetwork`: a small network at every cell, the common form of many laws that one fused kernel can step."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, get_args

from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.laws.checks import Boundary
from aetheria.laws.hash_noise import Place

Activation = Literal["none", "elu", "relu", "tanh", "silu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)  # numbered in this order in the kernels (enums.h)
Normalise = Literal["none", "cell", "grid"]
NORMALISATIONS: tuple[Normalise, ...] = get_args(Normalise)  # numbered in this order in the kernels (enums.h)
Filters = tuple[Any, ...]  # F filters, each of 3^n numbers: 3, 3 rows of 3, or 3 planes of 3 rows of 3


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
class Steering:
    """Two filters, gradients along x and y, turned by the angle of each cell.

    Attributes:
        angle: number of the channel that holds the angle, in rad.
        x, y: numbers of the filters; they become `x cos + y sin` and `y cos - x sin`.
    """

    angle: int
    x: int
    y: int


@dataclass(frozen=True)
class CellNetwork:
    """Perceive the 3^n cells around, run dense layers at each cell, update; on grids of n axes, 1 to 3.

    With F filters and C channels, input `f * C + c` of the first layer is filter f applied (cross-correlation) to channel c
    at the cell; the last layer gives Delta `(C,)`. The next cells are `cells + Delta - decay * cells`, at the cells that fire,
    then masked or normalised.

    Attributes:
        filters: F filters, each 3 numbers, 3 rows of 3, or 3 planes of 3 rows of 3.
        layers: two or more.
        boundary: the cells beyond the edge.
        decay: share of the cells lost per step; one number, or one for each universe.
        normalise: "none", "cell" or "grid", as `QuantumLaw` has them.
        fire_rate: chance that a cell fires, drawn by `aetheria.laws.hash_noise` from the memory (seed, step); one number, or
            one for each universe; None if all cells fire.
        alive: (channel, threshold): a cell with nothing above the threshold in its Moore neighbourhood, before or after the
            step, becomes zero; None if all cells live.
        place: of the cells in a larger grid, whose coordinates decide which cells fire; None for a whole grid.
        learned: a layer on all channels of the 3^n cells around, of inputs `t * C + c` for cell t in reading order. Its outputs
            are the inputs of the first of `layers` that follow those of the filters. None for fixed filters alone.
        steering: filters that each cell turns by its angle; None for none.
        kept: channels that are put back after the step and its masks.
    """

    filters: Filters
    layers: tuple[Dense, ...]
    boundary: Boundary
    decay: float | tuple[float, ...] = 0.0
    normalise: Normalise = "none"
    fire_rate: float | tuple[float, ...] | None = None
    alive: tuple[int, float] | None = None
    place: Place | None = None
    learned: Dense | None = None
    steering: Steering | None = None
    kept: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """
        Raises:
            LawError: filters that are not 3^n numbers, or layers that do not follow each other.
        """
        sides = [_sides(kernel) for kernel in self.filters]
        if not sides or sides[0] not in ((3,), (3, 3), (3, 3, 3)) or len(set(sides)) > 1:
            raise LawError(
                "cell_network: filters must be one or more, each 3 rows of 3 (on one axis 3 numbers, on three 3 planes of rows)"
            )
        if len(self.layers) < 2:
            raise LawError(f"cell_network: {len(self.layers)} layers given; expected two or more")
        inputs = len(self.filters) * self.channels
        if self.learned is not None:
            _check_layer(self.learned, 3**self.rank * self.channels, "learned layer")
            inputs += len(self.learned.weight)
        for number, layer in enumerate(self.layers):
            _check_layer(layer, inputs, f"layer {number}")
            inputs = len(layer.weight)
        named = (*self.kept, *([self.alive[0]] if self.alive else []), *([self.steering.angle] if self.steering else []))
        for channel in named:
            if not 0 <= channel < self.channels:
                raise LawError(f"cell_network: alive, angle or kept channel {channel}; the law has {self.channels}")
        if self.steering is not None and not {self.steering.x, self.steering.y} <= set(range(len(self.filters))):
            raise LawError(f"cell_network: steering turns filters that are not among the {len(self.filters)}")

    @property
    def channels(self) -> int:
        """Channels C: the outputs of the last layer."""
        return len(self.layers[-1].weight)

    @property
    def rank(self) -> int:
        """Number n of grid axes."""
        return len(_sides(self.filters[0]))

    @property
    def products(self) -> int:
        """Multiplications at a cell, those of the filters left out."""
        every = (*self.layers, *(() if self.learned is None else (self.learned,)))
        return sum(layer.weight.numel() for layer in every)

    @property
    def plain(self) -> bool:
        """Whether it has two axes, fixed filters, ELU or ReLU, one number for all universes, and keeps no channel."""
        layers_are = all(layer.activation in ("none", "elu", "relu") for layer in self.layers)
        extra = self.learned or self.steering or self.kept or isinstance(self.decay, tuple) or isinstance(self.fire_rate, tuple)
        return self.rank == 2 and layers_are and not extra


def one_hot(*taps: tuple[int, ...]) -> Filters:
    """Filters that each read one neighbour, given as its place in the 3^n cells around, (row, column) in two dimensions."""
    return tuple(_one_hot(tap) for tap in taps)


def every_tap(rank: int) -> list[tuple[int, ...]]:
    """The places of all 3^n cells around, in reading order."""
    return list(product(range(3), repeat=rank))


def as_filter(kernel: Tensor) -> Any:
    """A kernel `(3,) * n` as the nested tuples of `Filters`."""
    return _nested(kernel.tolist())


def _nested(values: Any) -> Any:
    return tuple(map(_nested, values)) if isinstance(values, list) else values


def _one_hot(tap: Sequence[int], value: float = 1.0) -> Any:
    if not tap:
        return value
    return tuple(_one_hot(tap[1:], value * (place == tap[0])) for place in range(3))


def _sides(kernel: Any) -> tuple[int, ...]:
    """Of nested tuples; () for a number, and for tuples of different sides."""
    if not isinstance(kernel, tuple):
        return ()
    inner = {_sides(part) for part in kernel}
    return (len(kernel), *inner.pop()) if len(inner) == 1 else ()


def _check_layer(layer: Dense, inputs: int, name: str) -> None:
    shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (layer.weight, layer.bias, layer.scale)]
    outputs = len(layer.weight)
    if shapes[0] != (outputs, inputs) or not {shapes[1], shapes[2]} <= {None, (outputs,)}:
        raise LawError(
            f"cell_network: {name} has weight, bias and scale of shapes {shapes}; its {inputs} inputs (filters "
            "times channels, or the outputs before) and its outputs must agree"
        )
