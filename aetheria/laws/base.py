"""`Law`: the update rule of a cellular automaton and its properties; `as_law` makes one of any module."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aetheria.core.device import AXES, times
from aetheria.core.errors import ConfigError, LawError, StateError
from aetheria.laws.controls import Controlled
from aetheria.laws.exact_sums import SquareSum
from aetheria.laws.first_cells import by_parts, is_by_parts
from aetheria.laws.forms import Animal
from aetheria.laws.hash_noise import Place
from aetheria.laws.law_field import LawField
from aetheria.laws.law_forms import LawForms
from aetheria.laws.summary import one_line, table
from aetheria.laws.topology import check_topology_grid

PLOTTED = ("total_energy", "centre_z", "centre_y", "centre_x")  # observables of every law
Colour = tuple[int, int, int]


class Law(LawForms, Controlled):
    """Maps cells `(B, C, *grid)` to the next cells: `forward(cells, *memory) -> cells`, or `(cells, *memory)` with memory.

    `grid` has one, two or three axes: `(W,)`, `(H, W)` or `(D, H, W)`. The motor steps any module of that form, wrapped by
    `as_law`. The attributes state what plans, viewers and files need to know; each has a default.

    Attributes:
        channels: number of real channels C.
        ranks: numbers of grid axes that the law can step, as in (2,) or (1, 2, 3). Where an instance is built for one of
            them (parameter `rank`), its class states them all.
        radius: how many cells a change can travel in one step; None if a far-away cell can matter.
        boundary: the cells beyond the edge: "periodic" (a torus), "zero" or "reflect" (mirrored without the edge cell); laws of
            whole states in two dimensions may join their edges otherwise, see `aetheria.laws.topology`.
        sums_grid: normalises by a sum over the whole grid; then `square_sum` may replace its order of adding by an exact one.
        square_sum: see `aetheria.laws.exact_sums`; None for the law's own.
        stochastic: draws random numbers; then `initial_memory(cells, seed)` takes the motor's seed.
        phases: number of alternating sub-rules; if above 1, `forward` takes `phase=step % phases`, an int from the motor.
        d_state: complex amplitudes per cell (`channels = 2 * d_state`), or None when cells are real.
        states: number of whole states 0 .. states - 1 that a cell may hold, or None for real values.
        palette: the colour (red, green, blue in 0..255) of each state, or None for a colour map.
        value_range: (lowest, highest) value of a cell; None where unbounded.
        exact: every plan gives the same bits as the eager step.
        tipping: rounding can tip a cell over a threshold, so that plans may differ in a few cells.
        divisor: the grid's sides must be multiples of this.
        spatial_period: the rule at a cell depends on its coordinates modulo this: 2 for a checkerboard.
        place: of the cells in a larger grid, of which a process steps this window; see `aetheria.split`. None for a whole grid.
        divisor_reason: the reason for it, for people; None for a network that halves the grid.
        reversible: `reverse` gives the state one step before.
        alive: (channel, threshold) above which a cell counts as alive, or None when nothing is dead or alive.
        dt: time units per step.
        default_field, fields: see `aetheria.observe.fields`.
        own_fields: fields and observables that this law alone has, named in `fields`, too; see `aetheria.laws.law_field`.
        default_initial: kind of initial cells used when none is given; see `aetheria.motor.initial`.
        reads_patterns: pattern files (RLE) can be its initial cells; see `pattern_values`.
        animal: code of the creature with the law's parameters, or None.
        collection: file of creatures in which `animal` is looked up, or None for the shipped ones.
        spreads_controls: each number of `controls` may be a tensor `(B,)`, a value for each universe.
        controls: parameters that may be changed while it is stepped; see `aetheria.laws.controls`.
    """

    channels: int
    ranks: tuple[int, ...] = (2,)
    radius: int | None = None
    boundary: str = "periodic"
    sums_grid: bool = False
    square_sum: SquareSum | None = None
    stochastic: bool = False
    phases: int = 1
    d_state: int | None = None
    states: int | None = None
    palette: Sequence[Colour] | None = None
    value_range: tuple[float | None, float | None] = (None, None)
    exact: bool = False
    tipping: bool = False
    divisor: int = 1
    spatial_period: int = 1
    place: Place | None = None
    divisor_reason: str | None = None
    reversible: bool = False
    alive: tuple[int, float] | None = None
    dt: float = 1.0
    default_field: str = "channel_0"
    fields: tuple[str, ...] = ("channel", "density", "energy", "gradient", "mass", *PLOTTED)
    own_fields: tuple[LawField, ...] = ()
    default_initial: str = "noise"
    reads_patterns: bool = False
    spreads_controls: bool = False
    animal: str | None = None
    collection: str | None = None
    _OLD_HOOKS: ClassVar = {"noise": "random_cells", "live_cell": "seed_cell", "fit": "prepare"}

    def __init_subclass__(cls, **given: Any) -> None:
        """Accepts the names that the hooks had before version 0.2."""
        super().__init_subclass__(**given)
        for old, new in cls._OLD_HOOKS.items():
            if old in vars(cls) and new not in vars(cls):
                hook = vars(cls)[old]
                adapted = (lambda self, grid, generator, hook=hook: hook(self, *grid, generator)) if old == "noise" else hook
                setattr(cls, new, adapted)

    @property
    def name(self) -> str:
        """The name of the class, for messages and files."""
        return type(self).__name__

    @property
    def reach(self) -> int | None:
        """How far a change can travel in one step, in cells, besides by a sum over the grid; None for any distance."""
        return self.radius

    def __repr__(self) -> str:
        return one_line(self)

    def _repr_html_(self) -> str:
        return table(self)

    def initial_memory(self, cells: Tensor) -> tuple[Tensor, ...]:
        """Memory to go with fresh cells; each tensor's first axis is the universe. Empty for a law without memory."""
        return ()

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        """The change Delta `(B, C, *grid)` that the next step makes to the cells."""
        out = self(cells, *memory)
        return (out if isinstance(out, Tensor) else out[0]) - cells

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor | tuple[Tensor, ...]:
        """The state one step before, in the form that `forward` returns; only of a reversible law.

        Args:
            cells, memory: the state.
            phase: for laws of several phases: `phase`, that of the step that is taken back.
        """
        raise NotImplementedError

    def why_not_split(self) -> str:
        """Why the grid cannot be split over processes, for people, beyond its radius and edges; empty if it can."""
        return ""

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        """Why a grid of these sides cannot be stepped, for people, beyond its rank and the divisor; empty if it can."""
        return ""

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random initial cells `(C, *grid)` that are not at rest: states drawn evenly, or numbers in 0..1."""
        if self.states is not None:
            return torch.randint(self.states, (self.channels, *grid), generator=generator).float()
        return torch.rand(self.channels, *grid, generator=generator)

    def seed_cell(self) -> Tensor:
        """The channels `(C,)` of one live cell, from which `initial = "seed"` grows."""
        return torch.ones(self.channels)

    def rest_cell(self) -> Tensor:
        """The channels `(C,)` of the cells around a seed or a pattern."""
        return torch.zeros(self.channels)

    def other_values(self, cells: Tensor) -> Tensor:
        """For each cell of `(..., C, *grid)` a value that the law allows and that differs from its own by a finite amount."""
        if self.states is not None:
            return (cells + 1) % self.states
        return 1 - cells.round()

    @by_parts
    def normalised(self, cells: Tensor) -> Tensor:
        """Cells `(B, C, *grid)` with the total that the law keeps, where it keeps one; else the cells themselves."""
        return cells

    @property
    def made_by_parts(self) -> bool:
        """Whether a part of the initial cells can be made without the rest."""
        return is_by_parts(self.random_cells) and is_by_parts(self.normalised)

    @property
    def live_state(self) -> int:
        """The whole number that a live cell of a two-state pattern file stands for in `pattern_values`."""
        return 255 if self._shades else 1

    def pattern_values(self, states: NDArray[np.integer[Any]], where: str) -> NDArray[np.float32]:
        """The cell values that the whole numbers of a pattern file stand for: states, or n/255 for values of 0 to 1.

        Raises:
            StateError: a number that the law has no value for.
        """
        if self._shades:
            return np.asarray(states / 255, np.float32)
        most = (self.states or 2) - 1
        if states.max(initial=0) > most:
            raise StateError(f"{where}: states up to {states.max()}; {self.name} has states 0 to {most}")
        return states.astype(np.float32)

    @property
    def _shades(self) -> bool:
        return self.states is None and self.value_range == (0, 1)

    @property
    def rule_string(self) -> str:
        """The rule in the notation of pattern files; the name of a law that has none."""
        return self.name

    def obeys(self, rule: str) -> bool:
        """Whether this law is the rule that a pattern file names; a law without notation knows its own name only."""
        return rule.strip().casefold() == self.name.casefold()

    def creatures(self) -> Sequence[Animal]:
        """Patterns shipped for this law, its own first; empty for most laws."""
        return ()

    def prepare(self, cells: Tensor) -> None:
        """Prepares what depends on the grid's size (a kernel's spectrum, say) for cells like these `(B, C, *grid)`.

        The motor calls it before stepping.
        """


class PlainLaw(Law):
    """A module that is no `Law`, with the defaults of `Law`; of its attributes only `initial_memory(cells)` is used."""

    ranks = (1, 2, 3)
    tipping = True  # not known, so to be expected

    def __init__(self, module: nn.Module, channels: int) -> None:
        super().__init__()
        self.plain = module
        self.channels = channels

    @property
    def name(self) -> str:
        return type(self.plain).__name__

    def initial_memory(self, cells: Tensor) -> tuple[Tensor, ...]:
        own = getattr(self.plain, "initial_memory", None)
        return () if own is None else tuple(own(cells))

    def forward(self, cells: Tensor, *memory: Tensor) -> Any:
        return self.plain(cells, *memory)

    def state_dict(self, *args: Any, **given: Any) -> Any:
        """The module's own, so that files of weights name its tensors as it does."""
        return self.plain.state_dict(*args, **given)

    def load_state_dict(self, state_dict: Any, *args: Any, **given: Any) -> Any:
        """Into the module itself."""
        return self.plain.load_state_dict(state_dict, *args, **given)


def as_law(module: nn.Module, d_state: int | None = None) -> Law:
    """The module itself where it is a `Law`, else the module wrapped as one.

    Args:
        module: a `Law`, or any module `(B, C, *grid) -> (B, C, *grid)`.
        d_state: complex amplitudes per cell where the law's cells are complex, real channels per cell otherwise. May be left
            out where the module states it: a `Law` does, another module by an attribute `channels`.

    Raises:
        LawError: `d_state` is not the law's own, or missing. ConfigError: it is no positive whole number.
    """
    if d_state is None:
        d_state = _stated_size(module)
    if isinstance(d_state, bool) or not isinstance(d_state, int) or d_state < 1:
        raise ConfigError(f"d_state: {d_state!r} given; expected a whole number of 1 or more")
    if not isinstance(module, Law):
        return PlainLaw(module, d_state)
    own = module.d_state
    if own is not None and own != d_state:
        raise LawError(
            f"d_state {d_state}: {module.name} was built for d_state {own}; give {own}, or build the law for {d_state}"
        )
    if own is None and getattr(module, "channels", d_state) != d_state:
        raise LawError(
            f"d_state {d_state}: {module.name} has {module.channels} real channels; for a real law d_state is that number"
        )
    return module


def _stated_size(module: nn.Module) -> int:
    found = getattr(module, "d_state", None) if isinstance(module, Law) else None
    found = found or getattr(module, "channels", None)
    if isinstance(found, bool) or not isinstance(found, int):
        raise LawError(
            f"d_state: missing; {type(module).__name__} does not state its channels: give their number, or set its `channels`"
        )
    return found


def module_of(law: Law) -> nn.Module:
    """The module that was given to `as_law`."""
    return law.plain if isinstance(law, PlainLaw) else law


def check_grid(law: Law, grid: tuple[int, ...]) -> None:
    """Raises LawError when a grid of this rank and size cannot be stepped by `law`."""
    where = f"[law.{law.name.lower()}] grid {times(grid)}"
    if len(grid) not in law.ranks:
        build = f"; build it with rank = {len(grid)}" if len(grid) in type(law).ranks else ""
        wanted = "1 axis" if law.ranks == (1,) else f"{' or '.join(map(str, law.ranks))} axes"
        given = "1 axis" if len(grid) == 1 else f"{len(grid)} axes"
        raise LawError(f"{where}: {given} given; {law.name} steps grids of {wanted}{build}")
    check_topology_grid(law.boundary, grid, f"[law.{law.name.lower()}] grid")
    for axis, size in zip(AXES[-len(grid) :], grid, strict=True):
        if size % law.divisor:
            reason = law.divisor_reason or _halved(int(math.log2(law.divisor)))
            raise LawError(f"{where}: {axis} must be a multiple of {law.divisor}, because {reason}")
        if law.boundary == "reflect" and size // law.divisor < 2:
            raise LawError(f'{where}: {axis} must be at least {2 * law.divisor} for boundary "reflect"')
    if why_not := law.why_not_grid(grid):
        raise LawError(f"{where}: {why_not}")


def _halved(halvings: int) -> str:
    how_often = {1: "once", 2: "twice"}.get(halvings, f"{halvings} times")
    return f"the network halves it {how_often}"
