"""Lenia: continuous in space, time and state."""

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from aetheria.core.device import times
from aetheria.core.errors import ConfigError, LawError, nearest
from aetheria.files.rle import read_rle
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice, check_positive
from aetheria.laws.controls import Control
from aetheria.laws.forms import CURVES, Animal, Curve, RingKernel
from aetheria.laws.layers import pad, window
from aetheria.laws.registry import register

Core = Literal["polynomial", "exponential", "gaussian"]
CORES: tuple[Core, ...] = get_args(Core)
_GAUSSIAN = 0.15  # standard deviation of the Gaussian core, as a share of a ring's width


@cache
def lenia_animals() -> dict[str, Animal]:
    """The creatures shipped with Aetheria, by code."""
    text = resources.files("aetheria.laws.continuous").joinpath("lenia_animals.json").read_text("utf-8")
    return {entry["code"]: _animal(entry) for entry in json.loads(text)}


def lenia_animal(code: str) -> Animal:
    """The creature with this code ("O2u" is Orbium), in any case. Raises ConfigError when there is none."""
    for known, animal in lenia_animals().items():
        if known.lower() == code.lower():
            return animal
    raise ConfigError(f'[law.lenia] animal: "{code}" given; {nearest(code, list(lenia_animals()))}')


def _animal(entry: dict[str, Any]) -> Animal:
    given = entry["params"]
    parameters = {key: given[key] for key in ("R", "T", "m", "s")} | {
        "b": [_fraction(part) for part in given["b"].split(",")],
        "core": CURVES[given["kn"] - 1],
        "growth": CURVES[given["gn"] - 1],
    }
    cells = np.asarray(read_rle(entry["cells"], entry["code"], 255).cells / 255, np.float32)
    return Animal(entry["code"], entry["name"], parameters, cells)


def _fraction(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


@register
class Lenia(Law):
    """A <- clip(A + growth(K * A) / T, 0, 1), with a ring-shaped kernel K of radius R.

    Cells: one channel in 0..1, on a grid of one, two or three axes. The kernel is a core function on each of `len(b)` rings
    (spherical shells in three dimensions), of heights b, normalised to sum 1; growth is a bump of centre m and width s, from
    -1 to 1:

        core:    "polynomial"   (4 r (1 - r))^4
                 "exponential"  exp(4 - 1 / (r (1 - r)))
                 "gaussian"     exp(-(r - 1/2)^2 / (2 * 0.15^2)), which is not 0 at the edges of a ring
        growth:  "polynomial"   2 max(0, 1 - (u - m)^2 / (9 s^2))^4 - 1
                 "exponential"  2 exp(-(u - m)^2 / (2 s^2)) - 1

    Sources: B. W.-C. Chan, "Lenia - Biology of Artificial Life", Complex Systems 28(3), 2019, arXiv:1812.05433; three
    dimensions and the Gaussian core: B. W.-C. Chan, "Lenia and Expanded Universe", ALIFE 2020, arXiv:2005.03742.
    """

    ranks = RANKS

    channels = 1
    value_range = (0.0, 1.0)
    reads_patterns = True
    alive = (0, 0.1)
    controls = (
        Control("m", "centre of growth, a neighbourhood average", 0.01, 0.6),
        Control("s", "width of growth, a neighbourhood average", 0.001, 0.2),
        Control("T", "steps per time unit", 1.0, 50.0),
    )
    fields = ("channel", "population", "mass", "energy", "gradient", *PLOTTED)

    def __init__(
        self,
        animal: str | None = None,
        *,
        R: int | None = None,  # noqa: N803 - the paper's letters
        T: float | None = None,  # noqa: N803
        m: float | None = None,
        s: float | None = None,
        b: list[float] | None = None,
        core: Core | None = None,
        growth: Curve | None = None,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            animal: code of a shipped creature whose parameters to take where none are given here (Orbium's by default).
            R: kernel radius in cells.
            T: steps per time unit.
            m: growth centre, a mean of cells.
            s: growth width.
            b: ring heights, from the centre outwards.
            core: "polynomial", "exponential" or "gaussian".
            growth: "polynomial" or "exponential".
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: an argument outside its range, or an unknown animal.
        """
        super().__init__()
        usual = lenia_animal(animal or "O2u").parameters
        self.animal = animal
        self.R = int(usual["R"] if R is None else R)
        self.T: float = usual["T"] if T is None else T
        self.m: float = usual["m"] if m is None else m
        self.s: float = usual["s"] if s is None else s
        self.b = [float(height) for height in (usual["b"] if b is None else b)]
        where = "[law.lenia]"
        check_positive(where, R=self.R)
        if not self.b or max(self.b) <= 0 or not all(math.isfinite(h) and h >= 0 for h in self.b):
            raise ConfigError(f"{where} b: {self.b} given; expected ring heights of 0 or more, one above 0")
        self.core = check_choice(core or usual["core"], CORES, f"{where} core")
        self.growth = check_choice(growth or usual["growth"], CURVES, f"{where} growth")
        self.boundary: Boundary = check_boundary(boundary, "lenia")
        if animal is not None:
            self.default_initial = "animal"
        self._spectra: dict[tuple[object, ...], Tensor] = {}

    @property
    def radius(self) -> int:  # type: ignore[override]  # follows R
        return self.R

    @property
    def dt(self) -> float:  # type: ignore[override]  # follows T
        return 1 / self.T

    def kernel(self, rank: int = 2) -> Tensor:
        """The kernel `(2R + 1,) * rank`, float64, sum 1, for a grid with `rank` axes.

        Raises:
            ConfigError: R is so small that no cell lies inside a ring of height above 0.
        """
        weight = ring_weights(self.R, self.b, self.core, rank)
        if not weight.any():
            raise ConfigError(
                f"[law.lenia] R: {self.R} given with rings b {self.b}; no cell lies inside a ring; use a larger R"
            )
        return weight / weight.sum()

    def prepare(self, cells: Tensor) -> None:
        """Makes the kernel's spectrum for cells of this size, type and device, padded where the boundary is not periodic.

        Raises:
            LawError: the grid is smaller than the kernel.
        """
        grid, side = cells.shape[2:], 2 * self.R + 1
        rank = len(grid)
        if min(grid) < side:
            raise LawError(f"[law.lenia] grid {times(grid)}: must be at least {side} on each side, the kernel's width")
        kind = self._kind(cells)
        if kind in self._spectra:  # a captured graph goes on reading it
            return
        halo = 0 if self.boundary == "periodic" else 2 * self.R
        kernel = torch.zeros([size + halo for size in grid], dtype=torch.float64)
        # Centred on cell 0 the kernel is even, so its spectrum is real.
        places = [torch.arange(-self.R, self.R + 1) % size for size in kernel.shape]
        kernel[torch.meshgrid(places, indexing="ij")] = self.kernel(rank).to(kernel.dtype)
        spectrum = torch.fft.rfftn(kernel).real
        self._spectra[kind] = spectrum.to(cells.device, cells.dtype)

    def potential(self, cells: Tensor) -> Tensor:
        """The neighbourhood average K * A, `(B, 1, *grid)`."""
        if self._kind(cells) not in self._spectra:
            self.prepare(cells)
        halo = 0 if self.boundary == "periodic" else self.R
        wide = pad(cells, halo, self.boundary)
        axes = tuple(range(2, cells.ndim))
        waves = torch.view_as_real(torch.fft.rfftn(wide, dim=axes)) * self._spectra[self._kind(cells)][..., None]
        blurred = torch.fft.irfftn(torch.view_as_complex(waves), s=wide.shape[2:], dim=axes)
        return window(blurred, (halo,) * len(axes), cells.shape[2:])

    def _kind(self, cells: Tensor) -> tuple[object, ...]:
        """Key of a spectrum: the cells that it is made for, and the kernel as it is now."""
        kernel = (self.R, tuple(self.b), self.core, self.boundary)
        return *cells.shape[2:], cells.dtype, cells.device, *kernel

    def forward(self, cells: Tensor) -> Tensor:
        growth = _growth(self.growth, self.potential(cells), self.live("m"), self.live("s"))
        return (cells + growth / self.live("T")).clamp(0, 1)

    def creatures(self) -> Sequence[Animal]:
        return tuple(sorted(lenia_animals().values(), key=lambda animal: animal.code != self.animal))

    def ring_kernel(self) -> RingKernel:
        key = (self.R, tuple(self.b), self.core)
        return RingKernel(self.kernel, self.growth, self.m, self.s, 1 / self.T, self.boundary, key)

    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise in patches of the kernel's size, on half of the grid: white noise everywhere dies at once."""
        cells = torch.rand(1, *grid, generator=generator)
        patches = (torch.rand([-(-side // self.R) for side in grid], generator=generator) < 0.5).float()
        for axis in range(len(grid)):
            patches = patches.repeat_interleave(self.R, axis)
        return cells * patches[tuple(map(slice, grid))]


def ring_weights(radius: float, heights: Sequence[float], core: Core, rank: int) -> Tensor:
    """Rings around a cell, of these heights from the inside out and 0 from `radius` on, not normalised.

    Returns: weights `(2 ceil(radius) + 1,) * rank`, float64.
    """
    offset = torch.arange(-math.ceil(radius), math.ceil(radius) + 1, dtype=torch.float64)
    distance = offset.abs()
    for _ in range(rank - 1):
        distance = torch.hypot(distance[..., None], offset)
    distance = distance / radius * len(heights)
    ring = distance.floor().long().clamp_max(len(heights) - 1)
    weight = torch.tensor(heights, dtype=torch.float64)[ring] * _core(core, distance % 1)
    return torch.where(distance < len(heights), weight, 0.0)


def _core(shape: Core, r: Tensor) -> Tensor:
    if shape == "polynomial":
        return (4 * r * (1 - r)) ** 4
    if shape == "gaussian":
        return torch.exp(-(r - 0.5).square() / (2 * _GAUSSIAN**2))
    inside = (r > 0) & (r < 1)
    safe = torch.where(inside, r, 0.5)
    return torch.where(inside, torch.exp(4 - 1 / (safe * (1 - safe))), 0.0)


def _growth(shape: Curve, u: Tensor, m: Tensor, s: Tensor) -> Tensor:
    if shape == "polynomial":
        return 2 * (1 - (u - m).square() / (9 * s * s)).clamp_min(0) ** 4 - 1
    return 2 * torch.exp(-(u - m).square() / (2 * s * s)) - 1
