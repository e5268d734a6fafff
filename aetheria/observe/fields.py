"""Fields: named views of the cells, each with its formula, unit and range.

A field is named by what it shows, and by a component or channel where it has one: "density", "phase_2", "channel_0".
psi_k is complex amplitude k: channel k is its real part and channel d + k its imaginary part.
"""

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.errors import ConfigError, nearest
from aetheria.core.sums import PlainSums, Sums
from aetheria.laws.base import Law
from aetheria.measures.place import centre_of

Range = tuple[float | None, float | None]
Ahead = Callable[[Law, tuple[Tensor, ...], int], Tensor]


@dataclass(frozen=True)
class View:
    """The cells and the properties that fields are computed from.

    Attributes:
        cells: `(B, C, *grid)`.
        d_state: complex amplitudes per cell, None for real cells.
        boundary: "periodic", "zero" or "reflect": the neighbours of an edge cell.
        alive: (channel, threshold) of a live cell, or None.
        change: gives the change `(B, C, *grid)` that the next step makes.
        ahead: evaluates a measure of the law, the state and the number of steps done, and leaves all three as they are.
        sums: adds values over the grid.
    """

    cells: Tensor
    d_state: int | None = None
    boundary: str = "periodic"
    alive: tuple[int, float] | None = None
    change: Callable[[], Tensor] | None = None
    ahead: Callable[[Ahead], Tensor] | None = None
    sums: Sums = field(default_factory=PlainSums)

    @property
    def axes(self) -> tuple[int, ...]:
        """The grid's axes in a field `(B, *grid)`."""
        return tuple(range(1, self.cells.ndim - 1))

    def psi(self) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts, each `(B, d, *grid)`."""
        assert self.d_state is not None
        return self.cells[:, : self.d_state], self.cells[:, self.d_state :]


@dataclass(frozen=True)
class Field:
    """A named view: `(B, *grid)`, for "rgb" `(B, 3, *grid)`, for an observable `(B,)`, all float.

    Attributes:
        name: as asked for, component included ("phase_2").
        meaning: the formula, in words.
        unit: of the values; "1" where they have none.
        range: (lowest, highest) possible value; None where unbounded.
        compute: from a view; the last argument is the component or channel.
        scalar: an observable, one number per universe.
        cyclic: an angle; averages are taken on the circle.
        amplitudes: needs complex cells.
        local: its value at a cell depends on this cell alone, so that a part of the grid is enough for a part of the field.
        summed: an observable that adds, counts and compares over the grid by the view's sums alone.
        of_weight: the formula of an observable that depends on the weight `(B, *grid)` alone, see `weight_of`; else None.
        undefined: may be NaN or infinite at a state for which it has no value, as an empty grid.
        counted: number of components: "d" (amplitudes), "c" (channels), "s" (states) or "" for a field without.
        component: the component, channel or state shown.
        components: their number where it is neither that of amplitudes nor that of channels.
        categorical: numbers that name kinds, so that a mean says nothing: areas show the cell at their centre.
        least_rank: number of grid axes from which on there is such a field.
        colour_map: the default one.
    """

    name: str
    meaning: str
    unit: str
    range: Range
    compute: Callable[[View, int], Tensor]
    scalar: bool = False
    cyclic: bool = False
    amplitudes: bool = False
    local: bool = True
    summed: bool = False
    of_weight: Callable[[Tensor], Tensor] | None = None
    undefined: bool = False
    counted: str = ""
    component: int = 0
    components: int | None = None
    categorical: bool = False
    least_rank: int = 1
    colour_map: str = "ember"

    def __call__(self, view: View) -> Tensor:
        return self.compute(view, self.component)


def get_field(
    name: str,
    d_state: int | None,
    channels: int,
    offered: tuple[str, ...] | None = None,
    rank: int = 3,
    known: Mapping[str, Field] | None = None,
) -> Field:
    """The field called `name`, for cells with these channels.

    Args:
        offered: base names that the law offers; None for all.
        rank: number of grid axes.
        known: the fields by base name; None for those of every law.

    Raises:
        ConfigError: no such field, or the cells do not have it; names the closest and lists the others.
    """
    known = FIELDS if known is None else known
    stem, component = (name, None) if name in known else _split(name)
    names = [n for n in known if (offered is None or n in offered) and known[n].least_rank <= rank]
    if stem not in names:
        raise ConfigError(f'field "{name}": no such field of this law; {nearest(stem, names)}')
    field = known[stem]
    if field.amplitudes and d_state is None:
        raise ConfigError(f'field "{name}": needs complex amplitudes, and the cells of this law are real')
    if component is not None and not field.counted:
        raise ConfigError(f'field "{name}": {stem} has no components; write "{stem}"')
    count = field.components or ((d_state or 0) if field.counted == "d" else channels)
    if (component or 0) >= count:
        raise ConfigError(f'field "{name}": expected {stem}_0 to {stem}_{count - 1}')
    return replace(field, name=name, component=component or 0)


def _split(name: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"(.+)_(\d{1,6})", name)
    return (found[1], int(found[2])) if found else (name, None)


def _density(view: View, _: int = 0) -> Tensor:
    cells = view.cells
    if cells.stride(-1) > 1:
        return cells.square().sum(1)
    # Plane by plane: half the time of squares of all the cells, which would not stay in a cache.
    total = cells[:, 0].square()
    for k in range(1, cells.shape[1]):
        total.addcmul_(cells[:, k], cells[:, k])
    return total


def _real(view: View, k: int) -> Tensor:
    return view.psi()[0][:, k]


def _imag(view: View, k: int) -> Tensor:
    return view.psi()[1][:, k]


def _phase(view: View, k: int) -> Tensor:
    # Contiguous: over every sixteenth number of a channels-last state, atan2 takes five times as long.
    return torch.atan2(_imag(view, k).contiguous(), _real(view, k).contiguous())


def _magnitude(view: View, k: int) -> Tensor:
    return torch.hypot(_real(view, k), _imag(view, k))


def _channel(view: View, k: int) -> Tensor:
    return view.cells[:, k]


def _rgb(view: View, _: int) -> Tensor:
    if view.cells.shape[1] == 3:  # no alpha
        return view.cells.clamp(0, 1)
    clear = view.cells[:, 3:4].clamp(0, 1).neg_().add_(1)
    return (clear + view.cells[:, :3]).clamp_(0, 1)


def _count(view: View, k: int) -> Tensor:
    return view.sums.total(view.cells[:, 0] == k)


def _alive(view: View, _: int) -> Tensor:
    assert view.alive is not None
    channel, threshold = view.alive
    return (view.cells[:, channel] > threshold).to(view.cells.dtype)


def _population(view: View, _: int) -> Tensor:
    if view.alive is None:
        raise ConfigError('field "population": the law does not say which cells are alive (its attribute `alive` is None)')
    channel, threshold = view.alive
    return view.sums.total(view.cells[:, channel] > threshold)


def _mass(view: View, _: int) -> Tensor:
    values = _density(view) if view.d_state else view.cells.sum(1)
    return view.sums.total(values)


def _total_energy(view: View, _: int) -> Tensor:
    return view.sums.total(_energy(view))


def _centre_along(axis: int, view: View, _: int) -> Tensor:
    """The centre of mass along an axis (-1: x, -2: y, -3: z) in cells, cell 0 at 0."""
    return centre_of(view.sums.along(weight_of(view), axis), view.boundary == "periodic")


def weight_of(view: View) -> Tensor:
    """The weight `(B, *grid)` that the centre and other measures are taken of.

    The density of amplitudes, the size of the channel that tells live cells, or else of the sum of the channels.
    """
    if view.d_state:
        return _density(view)
    return (view.cells.sum(1) if view.alive is None else view.cells[:, view.alive[0]]).abs()


def _energy(view: View, _: int = 0) -> Tensor:
    assert view.change is not None
    return view.change().square().sum(1)


def _gradient(view: View, _: int) -> Tensor:
    rank = len(view.axes)
    rho = _halo(_density(view)[:, None], view.boundary)[:, 0]
    steepness = None
    for axis in reversed(range(rank)):  # x first
        ahead, behind = (
            rho[:, *(cut if other == axis else slice(1, -1) for other in range(rank))]
            for cut in (slice(2, None), slice(None, -2))
        )
        slope = ahead - behind
        steepness = slope if steepness is None else torch.hypot(steepness, slope)
    assert steepness is not None
    return steepness.abs() / 2


def _entropy(view: View, _: int = 0) -> Tensor:
    re, im = view.psi()
    weight = re.square() + im.square()
    total = weight.sum(1, keepdim=True)
    share = torch.where(total > 0, weight / total, 1.0)
    return -torch.xlogy(share, share).sum(1)


def _mean_entropy(view: View, _: int) -> Tensor:
    return view.sums.mean(_entropy(view))


def _coherence(view: View, _: int) -> Tensor:
    norm = _density(view)[:, None].sqrt()
    # A cell of zero amplitude has no phase; it counts as 0 in every mean.
    unit = torch.where(norm > 0, view.cells / norm, 0.0)
    halo = _halo(unit, view.boundary)
    grid = unit.shape[2:]
    total = torch.zeros(())
    for neighbour in itertools.product(range(3), repeat=len(grid)):
        if neighbour != (1,) * len(grid):
            total = total + (halo[Block(neighbour, grid).index] * unit).sum(1)
    return total / (3 ** len(grid) - 1)


def _halo(values: Tensor, boundary: str) -> Tensor:
    mode = {"periodic": "circular", "zero": "constant", "reflect": "reflect"}[boundary]
    return F.pad(values, (1,) * (2 * values.ndim - 4), mode=mode)


_ALL = (
    Field("density", "sum over channels of cells^2; for amplitudes the sum over k of |psi_k|^2", "1/cell", (0, None), _density),
    Field("phase", "arg psi_k", "rad", (-math.pi, math.pi), _phase, cyclic=True, counted="d", colour_map="phase"),
    Field("real", "Re psi_k", "1", (None, None), _real, counted="d", colour_map="balance"),
    Field("imag", "Im psi_k", "1", (None, None), _imag, counted="d", colour_map="balance"),
    Field("magnitude", "|psi_k|", "1", (0, None), _magnitude, counted="d"),
    Field("channel", "the real channel k as it is stored", "1", (None, None), _channel, counted="c"),
    Field("state", "the state that channel 0 holds", "1", (None, None), _channel, categorical=True),
    Field("alive", "1 where the cell is alive, else 0", "1", (0, 1), _alive, colour_map="grey"),
    Field("count", "number of cells in state k", "cells", (0, None), _count, scalar=True, summed=True, counted="s"),
    Field(
        "rgb", "channels 0..2 (premultiplied) over white by alpha, channel 3; of three channels as they are", "1", (0, 1), _rgb
    ),
    Field("population", "number of live cells", "cells", (0, None), _population, scalar=True, summed=True),
    Field(
        "mass", "sum over cells of channels, or of density for amplitudes", "1", (None, None), _mass, scalar=True, summed=True
    ),
    Field(
        "centre_z",
        "layer of the centre of mass",
        "cells",
        (0, None),
        partial(_centre_along, -3),
        scalar=True,
        summed=True,
        least_rank=3,
    ),
    Field(
        "centre_y",
        "row of the centre of mass",
        "cells",
        (0, None),
        partial(_centre_along, -2),
        scalar=True,
        summed=True,
        least_rank=2,
    ),
    Field("centre_x", "column of the centre of mass", "cells", (0, None), partial(_centre_along, -1), scalar=True, summed=True),
    Field(
        "energy",
        "sum over channels of Delta^2, Delta the change the next step makes",
        "1/step^2",
        (0, None),
        _energy,
        local=False,
    ),
    Field(
        "total_energy", "sum over cells of energy", "1/step^2", (0, None), _total_energy, scalar=True, local=False, summed=True
    ),
    Field("gradient", "|grad density| by central differences", "1/cell^2", (0, None), _gradient, local=False),
    Field("entropy", "-sum over k of p_k ln p_k, p_k = |psi_k|^2 / density", "nat", (0, None), _entropy),
    Field("mean_entropy", "mean over cells of entropy", "nat", (0, None), _mean_entropy, scalar=True, summed=True),
    Field(
        "coherence",
        "mean over the Moore neighbours n of Re<psi, psi_n> / (|psi| |psi_n|)",
        "1",
        (-1, 1),
        _coherence,
        local=False,
        colour_map="balance",
    ),
)
_QUANTUM = {"phase", "real", "imag", "magnitude", "entropy", "mean_entropy", "coherence"}
FIELDS: dict[str, Field] = {f.name: replace(f, amplitudes=f.name in _QUANTUM) for f in _ALL}
