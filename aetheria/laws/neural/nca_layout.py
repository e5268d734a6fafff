"""Layouts of the weights of Growing NCAs in other programs: order, sign and scale of the inputs, axes of the matrices."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor

from aetheria.core.errors import ConfigError, nearest
from aetheria.core.settings import Settings
from aetheria.laws.checks import Boundary
from aetheria.laws.neural.nca import ALPHA
from aetheria.laws.neural.perception import sobel_kernels

_AXES = ("x", "y", "z")
_COLOURS = ALPHA + 1
_FILTER = re.compile(r"identity|-?[xyz]")


class Layout(Settings):
    """How another program orders the weights of a Growing NCA.

    Its cells are perceived by the identity and one Sobel filter for each axis of the grid; a hidden layer with ReLU and a
    linear layer give the change, which is added at cells drawn at random; cells that have no alpha above 0.1 in their Moore
    neighbourhood, before the change or after it, become 0. A program of another form cannot be imported.

    Attributes:
        grouping: order of the inputs of the hidden layer: by "filter" (the first filter of all channels, then the second, as
            in a concatenation of whole states) or by "channel" (all filters of the first channel, then of the second, as in
            a depthwise convolution with several outputs for each channel).
        filters: their order: "identity", and "x", "y", "z" for the gradients along the width, height and depth of the grid,
            positive where values rise with the index (cross-correlation); "-x" for one of the other sign.
        sobel_divisor: of the Sobel filter, [-1, 0, 1] along one axis and [1, 2, 1] along the others; None for 2 * 4^(n - 1)
            on grids of n axes (8 in two dimensions), which makes it a central difference.
        matrices: of the dense layers: "outputs first" (PyTorch) or "inputs first" (TensorFlow, JAX).
        colours: red, green, blue and alpha are the "first" or the "last" four channels.
        edges: what perception finds beyond the edge of the grid: "zero", "periodic" or "reflect".
        fire_rate: chance that a cell updates in a step.
    """

    grouping: Literal["filter", "channel"]
    filters: list[str] = Setting(default=["identity", "x", "y"], min_length=2, max_length=4)
    sobel_divisor: float | None = Setting(default=None, gt=0)
    matrices: Literal["outputs first", "inputs first"] = "outputs first"
    colours: Literal["first", "last"] = "first"
    edges: Boundary = "zero"
    fire_rate: float = Setting(default=0.5, gt=0, le=1)

    @classmethod
    def checked(cls, values: Any, where: str) -> "Layout":
        """Reads `values`; raises ConfigError as `Settings.checked` does, and unless each filter is there once."""
        layout = super().checked(values, where)
        wanted = ["identity", *_AXES[: layout.rank]]
        plain = [name.removeprefix("-") for name in layout.filters]
        if sorted(plain) != sorted(wanted) or not all(map(_FILTER.fullmatch, layout.filters)):
            raise ConfigError(
                f"[{where}] filters: {', '.join(layout.filters)} given; expected each of {', '.join(wanted)} once, in the "
                "order of the program, with - before a gradient of the other sign"
            )
        return layout

    @property
    def rank(self) -> int:
        """Number of axes of the grid."""
        return len(self.filters) - 1

    def factor(self, name: str) -> float:
        """A filter of this layout, as a multiple of the one that `GrowingNCA` has."""
        if name == "identity":
            return 1.0
        usual = 2 * 4 ** (self.rank - 1)
        return (-usual if name.startswith("-") else usual) / (self.sobel_divisor or usual)

    def kernel(self, name: str) -> Tensor:
        """The kernel of a filter, `(3,) * rank`, float64."""
        return self.factor(name) * plain_kernels(self.rank)[name.removeprefix("-")]

    def channel_order(self, channels: int) -> list[int]:
        """Of each channel of `GrowingNCA` the number that it has in the other program."""
        first = channels - _COLOURS if self.colours == "last" else 0
        return [(first + channel) % channels for channel in range(channels)]

    def inputs(self, channels: int) -> list[tuple[int, str]]:
        """Channel and filter of each input of the other program's hidden layer."""
        if self.grouping == "filter":
            return [(channel, name) for name in self.filters for channel in range(channels)]
        return [(channel, name) for channel in range(channels) for name in self.filters]

    def input_order(self, channels: int) -> tuple[list[int], Tensor]:
        """Of each input of `GrowingNCA` the other program's input, and the factor on its weights."""
        place = {(channel, name.removeprefix("-")): n for n, (channel, name) in enumerate(self.inputs(channels))}
        signed = {name.removeprefix("-"): name for name in self.filters}
        ours = [(channel, name) for name in plain_kernels(self.rank) for channel in self.channel_order(channels)]
        factors = torch.tensor([self.factor(signed[name]) for _, name in ours], dtype=torch.float64)
        return [place[one] for one in ours], factors


def plain_kernels(rank: int) -> dict[str, Tensor]:
    """The filters of `GrowingNCA` by name, in its order, float64."""
    identity = torch.zeros((3,) * rank, dtype=torch.float64)
    identity[(1,) * rank] = 1
    return {"identity": identity} | {axis: k.double() for axis, k in zip(_AXES, sobel_kernels(rank), strict=False)}


# Facts about programs in use. docs/training.md says of each which one it is.
LAYOUTS: dict[str, Layout] = {
    "aetheria": Layout(grouping="filter", edges="periodic"),
    "by-filter": Layout(grouping="filter"),
    "by-channel": Layout(grouping="channel"),
    "distill": Layout(grouping="channel", matrices="inputs first"),
    # Cells (B, H, W, C) are transposed to (B, C, W, H) there: the last axis, that of the first gradient, is the height.
    "chenmingxiang110": Layout(grouping="filter", filters=["identity", "y", "x"]),
    "cax": Layout(grouping="channel", filters=["identity", "y", "x"], matrices="inputs first", colours="last"),
}


def find_layout(name: str, changes: Mapping[str, Any] | None = None) -> Layout:
    """The layout of this name, with some of its attributes changed.

    Raises:
        ConfigError: no such layout or attribute, or a value out of its range.
    """
    if name not in LAYOUTS:
        raise ConfigError(f'layout "{name}": no such layout; {nearest(name, list(LAYOUTS))}')
    changed = dict(changes or {})
    if isinstance(changed.get("filters"), str):
        changed["filters"] = [word.strip() for word in changed["filters"].split(",")]
    return Layout.checked(LAYOUTS[name].model_dump() | changed, "layout")


def described(kernel: Tensor, layout: Layout) -> str:
    """A perception kernel in words: "identity", "-x", "y with sobel_divisor 1"; or that it is none of these."""
    for name, plain in plain_kernels(layout.rank).items():
        scale = float((kernel * plain).sum() / plain.square().sum())
        if scale and torch.allclose(kernel, scale * plain, rtol=1e-4, atol=1e-6):
            divisor = 2 * 4 ** (layout.rank - 1) / abs(scale)
            sign = "-" if scale < 0 else ""
            return "identity" if (name, scale) == ("identity", 1) else f"{sign}{name} with sobel_divisor {divisor:g}"
    return "none of identity and Sobel filters"


def compare_kernels(kernels: Tensor, layout: Layout, channels: int) -> str:
    """Compares perception kernels `(count, 3, ..)` that a file holds with a layout; returns the first contradiction, or "".

    Args:
        kernels: one for each input of the hidden layer; or those of gradients alone, of one channel alone, or of one filter.
    """
    gradients = [name for name in layout.filters if name != "identity"]
    names: Sequence[str] = [name for _, name in layout.inputs(channels)]
    for wanted in (names, [name for name in names if name != "identity"], layout.filters, gradients):
        if len(kernels) == len(wanted):
            stated = enumerate(zip(kernels, wanted, strict=True))
            return next((_contradiction(k, n, name, layout) for n, (k, name) in stated if not _is(k, name, layout)), "")
    if any(all(_is(kernel, name, layout) for kernel in kernels) for name in layout.filters):
        return ""
    first = described(kernels[0], layout)
    return f"{len(kernels)} kernels, of which the first is {first}; the layout has {len(names)}: {', '.join(names[:4])} .."


def _is(kernel: Tensor, name: str, layout: Layout) -> bool:
    return torch.allclose(kernel, layout.kernel(name), rtol=1e-4, atol=1e-6)


def _contradiction(kernel: Tensor, number: int, name: str, layout: Layout) -> str:
    divisor = "" if name == "identity" or layout.sobel_divisor is None else f" with sobel_divisor {layout.sobel_divisor:g}"
    return f"kernel {number} is {described(kernel, layout)}; the layout says {name}{divisor}"
