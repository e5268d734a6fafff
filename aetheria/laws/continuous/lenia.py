"""Lenia: continuous in space, time and state."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import Boundary, check_choice
from aetheria.laws.continuous.kernel_law import KernelLaw, chosen_settings, kernel_controls
from aetheria.laws.continuous.lenia_animals import animals_of, find_animal
from aetheria.laws.continuous.lenia_animals import lenia_animal as lenia_animal
from aetheria.laws.continuous.lenia_animals import lenia_animals as lenia_animals
from aetheria.laws.continuous.ring_form import ring_form
from aetheria.laws.continuous.rings import Core, Growth, growth_curve
from aetheria.laws.continuous.rings import ring_weights as ring_weights
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import Animal
from aetheria.laws.registry import register
from aetheria.laws.ring_forms import RingKernels, Update

Clip = Literal["hard", "soft"]
Combine = Literal["sum", "mean"]


@register
class Lenia(KernelLaw):
    """A <- clip(A + growth(K * A) / T, 0, 1), with a ring-shaped kernel K of radius R; or several kernels and channels.

    Cells: `channels` channels in 0..1, on a grid of one, two or three axes. The kernel is a core function on each of `len(b)`
    rings (spherical shells in three dimensions), of heights b, normalised to sum 1; growth is a bump of centre m and width
    s, from -1 to 1:

        core:    "polynomial"   (4 r (1 - r))^4
                 "exponential"  exp(4 - 1 / (r (1 - r)))
                 "gaussian"     exp(-(r - 1/2)^2 / (2 * 0.15^2)), which is not 0 at the edges of a ring
                 "step"         1 where 1/4 <= r <= 3/4
                 "staircase"    the same, and 1/2 where r < 1/4
        growth:  "polynomial"   2 max(0, 1 - (u - m)^2 / (9 s^2))^4 - 1
                 "exponential"  2 exp(-(u - m)^2 / (2 s^2)) - 1, also called "gaussian"
                 "step"         1 where |u - m| <= s, else -1

    With several kernels, kernel k has the radius r_k R, reads channel c0_k and adds its growth, times h_k, to channel c1_k;
    `combine = "mean"` divides by the sum of the h of a channel. `asymptotic`: A <- A + (target - A) / T, not clipped, where
    the target is the sum of growths that go from 0 to 1. `clip = "soft"`: 1 / (1 + exp(-4 (A - 1/2))) in place of the clip.

    Sources: B. W.-C. Chan, "Lenia - Biology of Artificial Life", Complex Systems 28(3), 2019, arXiv:1812.05433; three
    dimensions, several kernels and channels, the Gaussian core: B. W.-C. Chan, "Lenia and Expanded Universe", ALIFE 2020,
    arXiv:2005.03742; asymptotic: H. Kawaguchi, R. Suzuki, T. Arita, "Introducing Asymptotics to the State-Updating Rule in
    Lenia", ALIFE 2021.
    """

    value_range: tuple[float | None, float | None] = (0.0, 1.0)
    reads_patterns = True
    channels = 1
    alive = (0, 0.1)
    controls = kernel_controls(1, weights=False)
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
        combine: Combine | None = None,
        asymptotic: bool = False,
        clip: Clip = "hard",
        boundary: Boundary = "periodic",
        collection: str | None = None,
    ) -> None:
        """
        Args:
            animal: code or name of a creature whose parameters to take where none are given here (Orbium's by default).
            R: kernel radius in cells.
            T: steps per time unit.
            m: growth centre, a mean of cells.
            s: growth width.
            b: ring heights, from the centre outwards.
            r: radius of a kernel as a share of R.
            h: weight of a kernel's growth.
            c0: channel that a kernel reads.
            c1: channel that it adds to.
            channels: number of channels; by default as many as c0 and c1 name. Of m, s, b, r, h, c0 and c1 a list has a value
                for each kernel.
            core: "polynomial", "exponential", "gaussian", "step" or "staircase".
            growth: "polynomial", "exponential" (or "gaussian") or "step".
            combine: "sum" or "mean" of the growths of a channel, with the weights h.
            asymptotic: cells go towards a target instead of growing.
            clip: "hard" or "soft".
            boundary: "periodic", "zero" or "reflect".
            collection: file of creatures, in the format of Chan's animals.json; the shipped ones by default.

        Raises:
            ConfigError: an argument outside its range, lists of different lengths, or an unknown animal.
            FileUnreadableError: a collection that is missing or no such file.
        """
        super().__init__()
        given = {"R": R, "T": T, "m": m, "s": s, "b": b, "r": r, "h": h, "c0": c0, "c1": c1}
        usual = find_animal(animal or "O2u", None if animal is None else collection).parameters
        basic, chosen = chosen_settings(given, usual, animal, self._where())
        self.animal, self.collection = animal, collection
        self.set_kernels(chosen, core or basic["core"], growth or basic["growth"], boundary, channels)
        self.combine: Combine = check_choice(combine or basic["combine"], ("sum", "mean"), f"{self._where()} combine")
        self.asymptotic = asymptotic
        if asymptotic:  # cells go up to the sum of a channel's weights
            self.value_range = (0.0, None)
        self.clip: Clip = check_choice(clip, ("hard", "soft"), f"{self._where()} clip")
        if self.channels == 3:
            self.default_field, self.fields = "rgb", ("rgb", *self.fields)
        if animal is not None:
            self.default_initial = "animal"

    @property
    def radius(self) -> int:  # type: ignore[override]  # follows R
        return self.kernel_radius

    @property
    def _simple(self) -> bool:
        """One kernel, whose growth is added to its own channel and clipped."""
        single = self.kernels_number == 1 and "h" not in vars(self)
        return single and self.channels == 1 and not self.asymptotic and self.clip == "hard"

    def forward(self, cells: Tensor) -> Tensor:
        if self._simple:
            averages = self.potential(cells)
            growth = growth_curve(self.growth, averages, self.spread("m", cells), self.spread("s", cells))
            return (cells + growth / self.spread("T", cells)).clamp(0, 1)
        change = self.added(cells, mean=self.combine == "mean", shares=self.asymptotic)
        after = cells + ((change - cells) if self.asymptotic else change) / self.spread("T", cells)
        if self.clip == "soft":
            return torch.sigmoid(4 * (after - 0.5))
        return after if self.asymptotic else after.clamp(0, 1)

    def creatures(self) -> Sequence[Animal]:
        fitting = (animal for animal in animals_of(self.collection) if animal.channels == self.channels)
        return tuple(sorted(fitting, key=lambda animal: animal.code != self.animal))

    def ring_kernels(self) -> RingKernels | None:
        update: Update = "sigmoid" if self.clip == "soft" else "free" if self.asymptotic else "clip"
        return ring_form(self, update, mean=self.combine == "mean", shares=self.asymptotic)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise in patches of the kernel's size, on half of the grid: white noise everywhere dies at once."""
        return self.patches(grid, generator)
