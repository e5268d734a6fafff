"""`KernelLaw`: base of the laws that convolve channels with ring-shaped kernels and add up curves of growth."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aetheria.core.device import times
from aetheria.core.errors import ConfigError, LawError
from aetheria.laws.base import Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice, check_positive, check_whole
from aetheria.laws.continuous.rings import CORES, GROWTHS, Core, Growth, growth_curve, ring_weights
from aetheria.laws.controls import Control, rate_control
from aetheria.laws.first_cells import in_blocks
from aetheria.laws.layers import pad, window

_OF_KERNELS = ("m", "s", "h")  # controls that each kernel has
_SHAPES = ("r", "b", "c0", "c1")  # parameters of kernels that are no controls
_MOST_KERNELS = 64
_MOST_CHANNELS = 64


def kernel_controls(kernels: int, weights: bool) -> tuple[Control, ...]:
    """The controls m, s, h of each kernel, numbered from 0 where there are several, and T; h only if there are weights."""
    found = []
    for k in range(kernels):
        number, of = (f"_{k}", f" of kernel {k}") if kernels > 1 else ("", "")
        found.append(Control(f"m{number}", f"centre of growth{of}, a neighbourhood average", 0.01, 0.6))
        found.append(Control(f"s{number}", f"width of growth{of}, a neighbourhood average", 0.001, 0.2))
        if weights:
            found.append(rate_control(f"h{number}", f"weight of the growth{of}", 0.0, 1.0))
    return (*found, Control("T", "steps per time unit", 1.0, 50.0))


class KernelLaw(Law):
    """U_k = K_k * A[c0_k], and a curve of growth of each U_k, added with weight h_k to channel c1_k.

    Cells: `channels` channels in 0 or above, on a grid of one, two or three axes. Kernel k has the radius r_k R and one
    ring (spherical shell in three dimensions) for each height of b_k, sum 1. With several kernels the controls m, s and h
    are numbered (m_0, m_1 ..), and the attributes `m`, `s` and `h` are lists.
    """

    ranks = RANKS
    spreads_controls = True
    R: int
    T: float
    m: Any
    s: Any
    h: Any
    r: list[float]
    b: Any
    c0: list[int]
    c1: list[int]
    kernel_channels: int  # the first channels, which kernels read and feed

    def set_kernels(self, given: dict[str, Any], core: str, growth: str, boundary: str, channels: int | None) -> None:
        """Checks and keeps the settings of a constructor.

        Args:
            given: R, T and r, b, m, s, h, c0, c1: a value for all kernels, or a list of one for each.

        Raises:
            ConfigError: a setting outside its range, or lists of different lengths.
        """
        where = self._where()
        self.R = given["R"]
        check_positive(where, R=self.R)
        number = _number_of_kernels(given, where)
        self.kernels_number = number
        lists = {name: _spread(name, given[name], number) for name in (*_OF_KERNELS, *_SHAPES)}
        plain = number == 1 and lists["h"] == [1.0]
        self.controls = kernel_controls(number, weights=not plain)  # type: ignore[misc]  # of the instance: as many as kernels
        for name in _OF_KERNELS:
            if name == "h" and plain:
                continue
            for k, value in enumerate(lists[name]):
                setattr(self, self._numbered(name, k), value)
        self.T = given["T"]
        check_positive(where, **{f"r {k}" if number > 1 else "r": value for k, value in enumerate(lists["r"])})
        self.r = [float(value) for value in lists["r"]]
        heights = [_heights(value, where) for value in lists["b"]]
        self.b = heights[0] if number == 1 else heights
        most = max([*lists["c0"], *lists["c1"], 0], default=0) + 1 if channels is None else channels
        self.channels = self.kernel_channels = check_whole(where, 1, _MOST_CHANNELS, channels=most)
        self.c0 = [check_whole(where, 0, most - 1, c0=value) for value in lists["c0"]]
        self.c1 = [check_whole(where, 0, most - 1, c1=value) for value in lists["c1"]]
        self.core: Core = check_choice(core, CORES, f"{where} core")
        checked: Growth = check_choice(growth, GROWTHS, f"{where} growth")
        self.growth: Growth = "exponential" if checked == "gaussian" else checked
        self.boundary: Boundary = check_boundary(boundary, self.name.lower())
        self._spectra: dict[tuple[object, ...], Tensor] = {}

    def _numbered(self, name: str, k: int) -> str:
        return f"{name}_{k}" if self.kernels_number > 1 else name

    if not TYPE_CHECKING:  # a type checker would take every name for an attribute

        def __getattr__(self, name: str) -> Any:
            if name in _OF_KERNELS and "kernels_number" in vars(self):
                if self.kernels_number > 1:
                    return [getattr(self, f"{name}_{k}") for k in range(self.kernels_number)]
                if name == "h":  # of the only kernel, where it is no control
                    return 1.0
            return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OF_KERNELS and vars(self).get("kernels_number", 1) > 1:
            for k, one in enumerate(_spread(name, value, self.kernels_number)):
                setattr(self, f"{name}_{k}", one)
            return
        super().__setattr__(name, value)

    @property
    def kernel_radius(self) -> int:
        """The radius of the widest kernel, in whole cells."""
        return math.ceil(self.R * max(self.r))

    @property
    def dt(self) -> float:  # type: ignore[override]  # follows T
        steps: Any = self.T  # a tensor where it is learned, or differs by universe
        return 1 / (float(steps[0]) if isinstance(steps, Tensor) and steps.ndim else steps)

    def kernel(self, rank: int = 2) -> Tensor:
        """The only kernel, or kernel 0: `(2 ceil(r R) + 1,) * rank`, float64, sum 1, for a grid with `rank` axes.

        Raises:
            ConfigError: R is so small that no cell lies inside a ring of height above 0.
        """
        return self.kernel_of(0, rank)

    def kernel_of(self, k: int, rank: int = 2) -> Tensor:
        """Kernel k, in the form of `kernel`."""
        weight = ring_weights(self.R * self.r[k], self._rings(k), self.core, rank)
        if not weight.any():
            raise ConfigError(
                f"{self._where()} R: {self.R} given with rings b {self._rings(k)}; no cell lies inside a ring; use a larger R"
            )
        return weight / weight.sum()

    def _rings(self, k: int) -> list[float]:
        found: list[float] = self.b if self.kernels_number == 1 else self.b[k]
        return found

    def prepare(self, cells: Tensor) -> None:
        """Makes the kernels' spectra for cells of this size, type and device, padded where the boundary is not periodic.

        Raises:
            LawError: the grid is smaller than the widest kernel.
        """
        grid, side = cells.shape[2:], 2 * self.kernel_radius + 1
        rank = len(grid)
        if min(grid) < side:
            raise LawError(f"{self._where()} grid {times(grid)}: must be at least {side} on each side, the kernel's width")
        kind = self._kind(cells)
        if kind in self._spectra:  # a captured graph goes on reading it
            return
        halo = 0 if self.boundary == "periodic" else 2 * self.kernel_radius
        shape = [size + halo for size in grid]
        kernels = [self.kernel(rank), *(self.kernel_of(k, rank) for k in range(1, self.kernels_number))]
        spectra = torch.stack([_spectrum(kernel, shape) for kernel in kernels])
        self._spectra[kind] = spectra.to(cells.device, cells.dtype)

    def potential(self, cells: Tensor) -> Tensor:
        """The neighbourhood averages U_k, `(B, K, *grid)`."""
        if self._kind(cells) not in self._spectra:
            self.prepare(cells)
        halo = 0 if self.boundary == "periodic" else self.kernel_radius
        wide = pad(cells[:, : self.kernel_channels], halo, self.boundary)
        axes = tuple(range(2, cells.ndim))
        waves = torch.view_as_real(torch.fft.rfftn(wide, dim=axes))
        if self.c0 != list(range(self.kernel_channels)):
            waves = torch.cat([waves[:, c : c + 1] for c in self.c0], 1)
        waves = waves * self._spectra[self._kind(cells)][..., None]
        blurred = torch.fft.irfftn(torch.view_as_complex(waves), s=wide.shape[2:], dim=axes)
        return window(blurred, (halo,) * len(axes), cells.shape[2:])

    def _kind(self, cells: Tensor) -> tuple[object, ...]:
        """Key of the spectra: the cells that they are made for, and the kernels as they are now."""
        rings = tuple(self.b) if self.kernels_number == 1 else tuple(map(tuple, self.b))
        return *cells.shape[2:], cells.dtype, cells.device, self.R, tuple(self.r), rings, self.core, self.boundary

    def growth_of(self, k: int, averages: Tensor, cells: Tensor) -> Tensor:
        """The curve of growth of kernel k, -1 to 1, `(B, 1, *grid)`."""
        m, s = (self.spread(self._numbered(name, k), cells) for name in ("m", "s"))
        return growth_curve(self.growth, averages[:, k : k + 1], m, s)

    def weight(self, k: int, cells: Tensor) -> Tensor | float:
        """The weight h of kernel k."""
        name = self._numbered("h", k)
        return self.spread(name, cells) if name in vars(self) or name in self._parameters else 1.0

    def added(self, cells: Tensor, *, mean: bool = False, shares: bool = False) -> Tensor:
        """The growths of all kernels, added up with the weights h: `(B, kernel_channels, *grid)`.

        Args:
            mean: divided by the sum of the weights of the channel's kernels.
            shares: growth from 0 to 1 in place of -1 to 1.
        """
        averages = self.potential(cells)
        totals = []
        for channel in range(self.kernel_channels):
            total = torch.zeros_like(cells[:, :1])
            weights: Tensor | float | None = None
            for k in (k for k, target in enumerate(self.c1) if target == channel):
                growth = self.growth_of(k, averages, cells)
                weight = self.weight(k, cells)
                total = total + weight * ((growth + 1) / 2 if shares else growth)
                weights = weight if weights is None else weights + weight
            totals.append(total if weights is None or not mean else total / weights)
        return torch.cat(totals, 1)

    def patches(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise in patches of the kernel's size, on half of the grid: white noise everywhere dies at once."""
        cells = torch.rand(self.kernel_channels, *grid, generator=generator)
        return cells * (self.blocks(1, grid, generator) < 0.5)

    def blocks(self, number: int, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise `(number, *grid)` that is the same in all cells of a block, of R cells a side."""
        return in_blocks(number, self.R, grid, generator)


def chosen_settings(
    given: dict[str, Any], usual: dict[str, Any], animal: str | None, where: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The usual settings, completed, and those of the kernels with the given ones, where they are not None, in their place.

    Raises:
        ConfigError: lists are given for another number of kernels than the usual settings, of an animal, have.
    """
    basic = {"r": 1.0, "h": 1.0, "c0": 0, "c1": 0, "combine": "sum"} | usual
    if isinstance(basic["m"], list):
        number = len(basic["m"])
        for key, value in given.items():
            if _is_list(key, value) and len(value) != number:
                raise ConfigError(f"{where} animal: {animal} has {number} kernels; {key} has {len(value)} values")
    return basic, {key: basic[key] if value is None else value for key, value in given.items()}


def _spectrum(kernel: Tensor, shape: Sequence[int]) -> Tensor:
    """The spectrum of a kernel on a grid of this shape; centred on cell 0 the kernel is even, so that it is real."""
    reach = len(kernel) // 2
    placed = torch.zeros(list(shape), dtype=torch.float64)
    places = [torch.arange(-reach, reach + 1) % size for size in shape]
    placed[torch.meshgrid(places, indexing="ij")] = kernel.to(placed.dtype)
    return torch.fft.rfftn(placed).real


def _is_list(name: str, value: Any) -> bool:
    if name == "b":  # one kernel's rings are a list already
        return bool(value) and isinstance(value, list | tuple) and isinstance(value[0], list | tuple)
    return isinstance(value, list | tuple)


def _number_of_kernels(given: dict[str, Any], where: str) -> int:
    lengths = {name: len(given[name]) for name in (*_OF_KERNELS, *_SHAPES) if _is_list(name, given[name])}
    number = max(lengths.values(), default=1)
    if not 1 <= number <= _MOST_KERNELS:
        raise ConfigError(f"{where} kernels: {number} given; expected 1 to {_MOST_KERNELS}")
    for name, length in lengths.items():
        if length != number:
            longest = max(lengths, key=lambda key: lengths[key])
            raise ConfigError(
                f"{where} {name}: {length} values given; expected one, or {number}, one for each kernel, as {longest} has"
            )
    return number


def _spread(name: str, value: Any, number: int) -> list[Any]:
    """One value for each kernel."""
    return list(value) if _is_list(name, value) else [value] * number


def _heights(value: Any, where: str) -> list[float]:
    heights = [float(height) for height in value]
    if not heights or max(heights) <= 0 or not all(math.isfinite(h) and h >= 0 for h in heights):
        raise ConfigError(f"{where} b: {heights} given; expected ring heights of 0 or more, one above 0")
    return heights
