"""Lenia: Life made smooth in space, time and state."""

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError, nearest
from aetheria.files.rle import read_rle
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import Boundary, check_boundary, check_choice, check_positive
from aetheria.laws.controls import Control
from aetheria.laws.forms import CURVES, Animal, Curve, RingKernel
from aetheria.laws.layers import pad
from aetheria.laws.registry import register


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
    cells = np.asarray(read_rle(entry["cells"], entry["code"]).cells / 255, np.float32)
    return Animal(entry["code"], entry["name"], parameters, cells)


def _fraction(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


@register
class Lenia(Law):
    """A <- clip(A + growth(K * A) / T, 0, 1), with a ring-shaped kernel K of radius R.

    Cells: one channel in 0..1. The kernel is a core function on each of `len(b)` rings, of heights b, normalised to sum 1;
    growth is a bump of centre m and width s, from -1 to 1. Both are "polynomial" or "exponential":

        core:    (4 r (1 - r))^4           or  exp(4 - 1 / (r (1 - r)))
        growth:  2 max(0, 1 - (u - m)^2 / (9 s^2))^4 - 1   or  2 exp(-(u - m)^2 / (2 s^2)) - 1

    Source: B. W.-C. Chan, "Lenia - Biology of Artificial Life", Complex Systems 28(3), 2019, arXiv:1812.05433.
    """

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
        core: Curve | None = None,
        growth: Curve | None = None,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            animal: code of a shipped creature whose parameters to take where none are given here (Orbium's by default).
            R: kernel radius in cells. T: steps per time unit. m, s: growth centre and width. b: ring heights.
            core, growth: "polynomial" or "exponential".
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
        self.core = check_choice(core or usual["core"], CURVES, f"{where} core")
        self.growth = check_choice(growth or usual["growth"], CURVES, f"{where} growth")
        self.boundary = check_boundary(boundary, "lenia")
        if animal is not None:
            self.default_initial = "animal"
        self._spectra: dict[tuple[object, ...], Tensor] = {}

    @property
    def radius(self) -> int:  # type: ignore[override]  # follows R
        return self.R

    @property
    def dt(self) -> float:  # type: ignore[override]  # follows T
        return 1 / self.T

    def kernel(self) -> Tensor:
        """The kernel `(2R + 1, 2R + 1)`, float64, sum 1.

        Raises:
            ConfigError: R is so small that no cell lies inside a ring of height above 0.
        """
        offset = torch.arange(-self.R, self.R + 1, dtype=torch.float64)
        distance = torch.hypot(offset[:, None], offset[None, :]) / self.R * len(self.b)
        ring = distance.floor().long().clamp_max(len(self.b) - 1)
        weight = torch.tensor(self.b, dtype=torch.float64)[ring] * _core(self.core, distance % 1)
        weight = torch.where(distance < len(self.b), weight, 0.0)
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
        height, width = cells.shape[-2:]
        if min(height, width) < 2 * self.R + 1:
            raise LawError(
                f"[law.lenia] grid {height} x {width}: must be at least {2 * self.R + 1} on each side, the kernel's width"
            )
        halo = 0 if self.boundary == "periodic" else 2 * self.R
        kernel = torch.zeros(height + halo, width + halo, dtype=torch.float64)
        kernel[: 2 * self.R + 1, : 2 * self.R + 1] = self.kernel()
        # Centred on cell 0 the kernel is even, so its spectrum is real.
        spectrum = torch.fft.rfft2(kernel.roll((-self.R, -self.R), (0, 1))).real
        self._spectra[self._kind(cells)] = spectrum.to(cells.device, cells.dtype)

    def potential(self, cells: Tensor) -> Tensor:
        """The neighbourhood average K * A, `(B, 1, H, W)`."""
        if self._kind(cells) not in self._spectra:
            self.prepare(cells)
        halo = 0 if self.boundary == "periodic" else self.R
        wide = pad(cells, halo, self.boundary)
        height, width = cells.shape[-2:]
        waves = torch.view_as_real(torch.fft.rfft2(wide)) * self._spectra[self._kind(cells)][..., None]
        blurred = torch.fft.irfft2(torch.view_as_complex(waves), s=wide.shape[-2:])
        return blurred[..., halo : halo + height, halo : halo + width]

    def _kind(self, cells: Tensor) -> tuple[object, ...]:
        """What a spectrum is made for: the cells, and the kernel as it is now."""
        kernel = (self.R, tuple(self.b), self.core, self.boundary)
        return cells.shape[-2], cells.shape[-1], cells.dtype, cells.device, *kernel

    def forward(self, cells: Tensor) -> Tensor:
        growth = _growth(self.growth, self.potential(cells), self.live("m"), self.live("s"))
        return (cells + growth / self.live("T")).clamp(0, 1)

    def pattern_values(self, states: NDArray[np.integer[Any]], where: str) -> NDArray[np.float32]:
        """Lenia's RLE files write a cell as a whole number of 0 to 255."""
        return np.asarray(states / 255, np.float32)

    def creatures(self) -> Sequence[Animal]:
        return tuple(sorted(lenia_animals().values(), key=lambda animal: animal.code != self.animal))

    def ring_kernel(self) -> RingKernel:
        key = (self.R, tuple(self.b), self.core)
        return RingKernel(self.kernel, self.growth, self.m, self.s, 1 / self.T, self.boundary, key)

    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise in patches of the kernel's size, on half of the grid: white noise over all of it dies at once."""
        height, width = grid
        cells = torch.rand(1, height, width, generator=generator)
        rows, columns = -(-height // self.R), -(-width // self.R)
        patches = (torch.rand(rows, columns, generator=generator) < 0.5).float()
        wide = patches.repeat_interleave(self.R, 0).repeat_interleave(self.R, 1)
        return cells * wide[:height, :width]


def _core(shape: Curve, r: Tensor) -> Tensor:
    if shape == "polynomial":
        return (4 * r * (1 - r)) ** 4
    inside = (r > 0) & (r < 1)
    safe = torch.where(inside, r, 0.5)
    return torch.where(inside, torch.exp(4 - 1 / (safe * (1 - safe))), 0.0)


def _growth(shape: Curve, u: Tensor, m: Tensor, s: Tensor) -> Tensor:
    if shape == "polynomial":
        return 2 * (1 - (u - m).square() / (9 * s * s)).clamp_min(0) ** 4 - 1
    return 2 * torch.exp(-(u - m).square() / (2 * s * s)) - 1
