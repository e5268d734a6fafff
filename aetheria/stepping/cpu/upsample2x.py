"""Outputs of transposed 2x2 convolutions, computed when they are needed; and such a convolution merged with the next one."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


class Upsampler(Protocol):
    """A transposed 2x2 convolution of stride 2."""

    conv: nn.Conv2d | nn.ConvTranspose2d

    @property
    def weight(self) -> Tensor:
        """Its weights; another tensor if they were edited."""

    def compute(self, cells: Tensor) -> Tensor:
        """The output `(B, outputs, 2H, 2W)`."""


class LazyUpsampled(Tensor):
    """The output of `upsampler` for `cells`, `(B, outputs, 2H, 2W)`, not computed yet.

    The 3x3 convolution kernel reads `cells` instead; any operation of torch computes the output first.
    """

    cells: Tensor
    upsampler: Upsampler

    @staticmethod
    def __new__(cls, cells: Tensor, upsampler: Upsampler) -> Self:
        batch, _, height, width = cells.shape
        shape = batch, upsampler.conv.out_channels, 2 * height, 2 * width
        lazy: Self = Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32, device=cells.device)
        lazy.cells, lazy.upsampler = cells, upsampler
        return lazy

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's stub says function
        cls, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Contiguous, as its strides say.
        args, kwargs = tree_map(
            lambda one: materialised(one).contiguous() if isinstance(one, cls) else one, (args, kwargs or {})
        )
        return func(*args, **(kwargs or {}))


def materialised(values: Tensor) -> Tensor:
    """`values`, computed if they are not yet."""
    return values.upsampler.compute(values.cells) if isinstance(values, LazyUpsampled) else values


def composed(first: Tensor, second: Tensor) -> Tensor:
    """Weights that apply a transposed 2x2 convolution and a 3x3 convolution at once.

    Args:
        first: of the transposed one, `(inputs, middle, 2, 2)`.
        second: `(outputs, middle, 3, 3)`.

    Returns:
        `(4, outputs, inputs, 3, 3)`, the first rows and columns zero: one 3x3 filter of the source for each place in a 2 x 2
        block of outputs. These blocks are shifted by one output against those of a cell: place (0, 0) is the lower right output
        of the cell, places (1, .) are in the row below.
    """
    weights = first.new_zeros(2, 2, second.shape[0], first.shape[0], 3, 3, dtype=torch.float64)
    taps = [(place, step) for place in range(2) for step in range(3)]
    for down, y in taps:
        for across, x in taps:
            row, column = down + y, across + x  # in the upsampled grid, from the upper left output of the cell on
            product = second[:, :, y, x].double() @ first[:, :, row % 2, column % 2].double().T
            weights[down, across, :, :, 1 + row // 2, 1 + column // 2] += product
    return weights.float().flatten(0, 1)
