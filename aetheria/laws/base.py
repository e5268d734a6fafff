"""What a law is, and what the rest of the program may ask of one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws.controls import Control, Controlled, TextControl

if TYPE_CHECKING:
    from aetheria.laws.local_network import CellNetwork

Boundary = Literal["periodic", "zero", "reflect"]
PLOTTED = ("total_energy", "centre_y", "centre_x")  # observables of every law


class Law(Controlled):
    """Maps cells `(B, C, H, W)` to the next cells: `forward(cells, *memory) -> cells`, or `(cells, *memory)` with memory.

    The motor steps any module of that form. What `Law` adds is what a stepper, a viewer or a file wants to know, as plain
    attributes; of a module that is no `Law` only `initial_memory(cells)` is used, for its attributes may mean anything.

    Attributes:
        channels: number of real channels C.
        radius: how many cells a change can travel in one step; None if a far-away cell can matter.
        boundary: what lies beyond the edge: "periodic" (a torus), "zero" or "reflect" (mirrored without the edge cell).
        stochastic: draws random numbers; then `initial_memory(cells, seed)` takes the motor's seed.
        d_state: complex amplitudes per cell (`channels = 2 * d_state`), or None when cells are real.
        divisor: height and width must be multiples of this.
        alive: (channel, threshold) above which a cell counts as alive, or None when nothing is dead or alive.
        dt: time units per step.
        default_field, fields: what to look at; see `aetheria.observe.fields`.
        controls: parameters that may be changed while it is stepped; see `aetheria.laws.controls`.
    """

    channels: int
    radius: int | None = None
    boundary: Boundary = "periodic"
    stochastic: bool = False
    d_state: int | None = None
    divisor: int = 1
    alive: tuple[int, float] | None = None
    dt: float = 1.0
    default_field: str = "channel_0"
    fields: tuple[str, ...] = ("channel", "density", "energy", "gradient", "mass", *PLOTTED)
    default_initial: str = "noise"

    def initial_memory(self, cells: Tensor) -> tuple[Tensor, ...]:
        """Memory to go with fresh cells; each tensor's first axis is the universe. Empty for a law without memory."""
        return ()

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        """The change Delta `(B, C, H, W)` that the next step makes to the cells."""
        out = self(cells, *memory)
        return (out if isinstance(out, Tensor) else out[0]) - cells

    def noise(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Random initial cells `(C, H, W)` in which this law has something to do."""
        return torch.rand(self.channels, height, width, generator=generator)

    def seed_cell(self) -> Tensor:
        """The channels `(C,)` of one live cell, from which `initial = "seed"` grows."""
        return torch.ones(self.channels)

    def cell_network(self) -> "CellNetwork | None":
        """This law in the form that a fused kernel steps, with its present weights; None for a law of another form."""
        return None

    def prepare(self, cells: Tensor) -> None:
        """Prepares what depends on the grid's size (a kernel's spectrum, say) for cells like these `(B, C, H, W)`.

        The motor calls it before stepping.
        """


_TRAITS = (
    "radius",
    "boundary",
    "stochastic",
    "d_state",
    "divisor",
    "alive",
    "dt",
    "default_field",
    "fields",
    "default_initial",
    "controls",
)


@dataclass(frozen=True)
class Traits:
    """What a module says of itself, with the defaults of `Law` where it says nothing."""

    name: str
    channels: int
    radius: int | None
    boundary: Boundary
    stochastic: bool
    d_state: int | None
    divisor: int
    alive: tuple[int, float] | None
    dt: float
    default_field: str
    fields: tuple[str, ...]
    default_initial: str
    controls: tuple[Control | TextControl, ...]
    initial_memory: Callable[..., tuple[Tensor, ...]] | None
    change: Callable[..., Tensor] | None


def traits_of(law: nn.Module, d_state: int) -> Traits:
    """Reads a module's traits and checks that `d_state` fits it.

    Args:
        law: a `Law`, or any module `(B, C, H, W) -> (B, C, H, W)`.
        d_state: complex amplitudes per cell where the law's cells are complex, real channels per cell otherwise.

    Raises:
        LawError: `d_state` is not the law's own. ConfigError: it is no positive whole number.
    """
    if isinstance(d_state, bool) or not isinstance(d_state, int) or d_state < 1:
        raise ConfigError(f"d_state: {d_state!r} given; expected a whole number of 1 or more")
    stated = law if isinstance(law, Law) else None
    channels = getattr(stated, "channels", d_state)
    own = getattr(stated, "d_state", None)
    name = type(law).__name__
    if own is not None and own != d_state:
        raise LawError(f"d_state {d_state}: {name} was built for d_state {own}; give {own}, or build the law for {d_state}")
    if own is None and channels != d_state:
        raise LawError(f"d_state {d_state}: {name} has {channels} real channels; for a real law d_state is that number")
    values: dict[str, Any] = {key: getattr(stated, key, getattr(Law, key, None)) for key in _TRAITS}
    memory = getattr(law, "initial_memory", None)
    return Traits(name=name, channels=channels, initial_memory=memory, change=getattr(stated, "change", None), **values)


def check_grid(law: nn.Module, height: int, width: int) -> None:
    """Raises LawError when a grid of this size cannot be stepped by `law`."""
    if not isinstance(law, Law):
        return
    name, divisor = type(law).__name__.lower(), law.divisor
    where = f"[law.{name}] grid {height} x {width}"
    for axis, size in (("height", height), ("width", width)):
        if size % divisor:
            halvings = int(math.log2(divisor))
            times = {1: "once", 2: "twice"}.get(halvings, f"{halvings} times")
            raise LawError(f"{where}: {axis} must be a multiple of {divisor}, because the network halves it {times}")
        if law.boundary == "reflect" and size // divisor < 2:
            raise LawError(f'{where}: {axis} must be at least {2 * divisor} for boundary "reflect"')


def check_boundary(boundary: str, law: str) -> Boundary:
    """Returns `boundary` if it is one; raises ConfigError with the choices if not."""
    return check_choice(boundary, get_args(Boundary), f"[law.{law}] boundary")


def check_choice(value: str, choices: tuple[Any, ...], where: str) -> Any:
    """Returns `value` if it is one of `choices`; raises ConfigError that lists them if not."""
    if value not in choices:
        raise ConfigError(f'{where}: "{value}" given; expected one of {", ".join(map(str, choices))}')
    return value


def check_positive(where: str, **values: int | float) -> None:
    """Raises ConfigError unless every value is a finite number above zero."""
    for key, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{where} {key}: {value} given; expected a finite number above 0")
