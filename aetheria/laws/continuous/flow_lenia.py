"""Flow Lenia: Lenia in which matter flows and is never made or lost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.core.sums import Sums
from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import check_choice, check_positive, check_whole
from aetheria.laws.continuous.kernel_law import KernelLaw, chosen_settings, kernel_controls
from aetheria.laws.continuous.lenia_animals import animals_of, find_animal
from aetheria.laws.continuous.ring_form import by_universe, ring_form
from aetheria.laws.continuous.rings import Core, Growth
from aetheria.laws.controls import Control
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import Animal
from aetheria.laws.law_field import LawField
from aetheria.laws.layers import pad, window
from aetheria.laws.registry import register
from aetheria.laws.ring_forms import MatterFlow, RingKernels, RingNumbers

_USUAL = {"R": 5, "T": 5, "m": 0.2, "s": 0.05, "b": [1.0], "core": "gaussian", "growth": "exponential"}
_THETA = Control("theta_A", "mass of a cell at which matter spreads out only", 0.1, 5.0)
_MOST_DISPLACEMENT = 20
_NOTHING = 1e-30  # mass of a cell below which the weights that it brings have no digits


@register
class FlowLenia(KernelLaw):
    """Matter flows up the affinity U = sum of h_k growth(K_k * A), and down its own concentration where it is dense.

        F = (1 - alpha) grad U - alpha grad (sum of the channels),   alpha = min((A / theta_A)^n, 1)

    In a step the matter of each cell moves by F / T, at most dd - sigma along an axis, and is spread over a square (a row, a
    cube) of half the side sigma: each cell takes the share that covers it. Gradients are Sobel filters of 3^n cells, not
    normalised. Cells: `channels` channels of 0 or more, on a grid of one, two or three axes; kernels as in `Lenia`. On a torus
    the mass of each channel is kept to rounding.

    With `carried` the weights h_k are no constants of the law but further channels, one for each kernel, which the matter takes
    with it: where matter of several cells arrives, the weights are their mean by mass, and where none does they stay.

    Source: E. Plantec et al., "Flow-Lenia: Towards open-ended evolution in cellular automata through mass conservation and
    parameter localization", ALIFE 2023, arXiv:2212.07906.
    """

    channels = 1
    value_range = (0.0, None)
    alive = (0, 0.1)
    controls = (*kernel_controls(1, weights=False), _THETA)
    fields: tuple[str, ...] = ("channel", "population", "mass", "energy", "gradient", *PLOTTED)

    def __init__(
        self,
        animal: str | None = None,
        *,
        R: int | None = None,  # noqa: N803 - the paper's letters
        T: float | None = None,  # noqa: N803
        m: float | list[float] | None = None,
        s: float | list[float] | None = None,
        b: list[float] | list[list[float]] | None = None,
        r: float | list[float] | None = None,
        h: float | list[float] | None = None,
        c0: int | list[int] | None = None,
        c1: int | list[int] | None = None,
        channels: int | None = None,
        core: Core | None = None,
        growth: Growth | None = None,
        dd: int = 2,
        sigma: float = 0.65,
        theta_A: float = 1.0,  # noqa: N803
        n: float = 2.0,
        carried: bool = False,
        boundary: Literal["periodic", "zero"] = "periodic",
        collection: str | None = None,
    ) -> None:
        """
        Args:
            animal, R, T, m, s, b, r, h, c0, c1, channels, core, growth, collection: as of `Lenia`; R is 5, T 5, m 0.2, s 0.05
                by default, core "gaussian" and growth "exponential".
            dd: furthest displacement in cells, 1 to 20; a step takes a time that grows with its square.
            sigma: half the side of the square over which the matter of a cell is spread, below dd.
            theta_A: mass of a cell at which matter spreads out only.
            n: exponent of that.
            carried: the weights h are channels of the cells, after those of matter.
            boundary: "periodic" or "zero" (matter that leaves is lost).

        Raises:
            ConfigError: an argument outside its range, lists of different lengths, an unknown animal, or `carried` with an
                animal or weights.
        """
        super().__init__()
        where = self._where()
        given = {"R": R, "T": T, "m": m, "s": s, "b": b, "r": r, "h": h, "c0": c0, "c1": c1}
        usual = _USUAL if animal is None else find_animal(animal, collection).parameters
        basic, chosen = chosen_settings(given, usual, animal, where)
        check_choice(boundary, ("periodic", "zero"), f"{where} boundary")
        self.animal, self.collection = animal, collection
        self.set_kernels(chosen, core or basic["core"], growth or basic["growth"], boundary, channels)
        self.controls = (*self.controls, _THETA)  # type: ignore[misc]  # of the instance
        self.carried = carried
        if carried:
            self._carry_weights(where, animal, h)
        self.theta_A = theta_A
        self.dd = check_whole(where, 1, _MOST_DISPLACEMENT, dd=dd)
        check_positive(where, sigma=sigma, n=n)
        if sigma >= dd:
            raise ConfigError(f"{where} sigma: {sigma} given with dd {dd}; expected less than dd")
        self.sigma, self.n = sigma, n
        if self.channels == 3:
            self.default_field, self.fields = "rgb", ("rgb", *self.fields)
        if animal is not None:
            self.default_initial = "animal"

    @property
    def radius(self) -> int:  # type: ignore[override]  # follows R
        return self.kernel_radius + 1 + self.dd

    def _carry_weights(self, where: str, animal: str | None, h: float | list[float] | None) -> None:
        """Makes the weights channels. Raises ConfigError if they are given as numbers, too."""
        for name, value in (("animal", animal), ("h", h)):
            if value is not None:
                raise ConfigError(f"{where} carried: given with {name}; expected weights in the cells alone")
        self.channels += self.kernels_number
        self.controls = tuple(one for one in self.controls if not one.name.startswith("h"))  # type: ignore[misc]
        mass = LawField("mass", "sum over cells of the matter", "1", (0, None), _mass_of_matter, scalar=True, summed=True)
        self.own_fields = (mass,)

    def weight(self, k: int, cells: Tensor) -> Tensor | float:
        """The weight h of kernel k; if the cells carry it, `(B, 1, *grid)`."""
        return cells[:, self.kernel_channels + k, None] if self.carried else super().weight(k, cells)

    def forward(self, cells: Tensor) -> Tensor:
        affinity, grid = self.added(cells), cells.shape[2:]
        matter, weights = cells[:, : self.kernel_channels], cells[:, self.kernel_channels :]
        alpha = (matter / self.spread("theta_A", cells)).pow(self.n).clamp(0, 1)
        total = matter.sum(1, keepdim=True)
        most = self.dd - self.sigma
        wide = pad(cells, self.dd, self.boundary)
        shares = []
        for up, crowded in zip(self._gradients(affinity), self._gradients(total), strict=True):
            flow = (1 - alpha) * up - alpha * crowded
            moved = (flow / self.spread("T", cells)).clamp(-most, most)
            shares.append(self._shares(pad(moved, self.dd, self.boundary)))
        arrived = torch.zeros_like(matter)
        brought = torch.zeros_like(weights)
        for corner, part in self._arrivals(wide[:, : self.kernel_channels], shares, grid):
            arrived = arrived + part
            if self.carried:
                brought = brought + part.sum(1, keepdim=True) * window(wide[:, self.kernel_channels :], corner, grid)
        if not self.carried:
            return arrived
        mass = arrived.sum(1, keepdim=True)
        return torch.cat((arrived, torch.where(mass > _NOTHING, brought / mass.clamp_min(_NOTHING), weights)), 1)

    def _gradients(self, values: Tensor) -> list[Tensor]:
        """The Sobel gradient along each axis."""
        rank = values.ndim - 2
        return [_sobel(pad(values, 1, self.boundary), axis) for axis in range(2, 2 + rank)]

    def _shares(self, moved: Tensor) -> list[Tensor]:
        """For each displacement -dd .. dd along an axis the share of a cell's matter that goes there."""
        sigma = self.sigma
        cover = (0.5 + sigma - (step - moved).abs() for step in range(-self.dd, self.dd + 1))
        return [part.clamp(0, min(1.0, 2 * sigma)) / (2 * sigma) for part in cover]

    def _arrivals(
        self, wide: Tensor, shares: Sequence[list[Tensor]], grid: Sequence[int]
    ) -> Iterator[tuple[list[int], Tensor]]:
        """The matter that arrives at each cell from the cells at one offset, up to dd away; and where they begin in `wide`."""
        first, *others = shares
        for start, share in enumerate(first):
            leaving = wide * share
            for rest in product(range(2 * self.dd + 1), repeat=len(others)):
                # From a cell at offset -d: in the padded grid that begins at dd - d, and displacement d has the index d + dd.
                corner = [2 * self.dd - index for index in (start, *rest)]
                part = window(leaving, corner, grid)
                for other, index in zip(others, rest, strict=True):
                    part = part * window(other[index], corner, grid)
                yield corner, part

    def ring_kernels(self) -> RingKernels | None:
        flow = MatterFlow(self.dd, self.sigma, self.n, self.kernels_number if self.carried else 0)
        form = ring_form(self, "flow", flow=flow)
        if form is None:
            return None

        def numbers(cells: Tensor) -> RingNumbers:
            return form.numbers(cells)._replace(crowding=by_universe(self, ["theta_A"], cells)[:, 0])

        return replace(form, numbers=numbers)

    def creatures(self) -> Sequence[Animal]:
        fitting = (animal for animal in animals_of(self.collection) if animal.channels == self.channels)
        return tuple(sorted(fitting, key=lambda animal: animal.code != self.animal))

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise in patches of the kernel's size, on half of the grid; carried weights are those of their patch."""
        matter = self.patches(grid, generator)
        return torch.cat((matter, self.blocks(self.kernels_number, grid, generator))) if self.carried else matter


def _mass_of_matter(law: FlowLenia, cells: Tensor, sums: Sums) -> Tensor:
    return sums.total(cells[:, : law.kernel_channels].sum(1, dtype=torch.float64))


def _sobel(halo: Tensor, along: int) -> Tensor:
    """Differences along an axis, smoothed with 1, 2, 1 along the others, of cells padded by one; rising is positive."""
    for axis in range(2, halo.ndim):
        size = halo.shape[axis] - 2
        before, middle, after = (halo.narrow(axis, start, size) for start in range(3))
        halo = after - before if axis == along else before + 2 * middle + after
    return halo
