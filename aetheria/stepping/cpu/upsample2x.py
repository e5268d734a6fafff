"""What a transposed 2x2 convolution gives, not made until something needs it; and its weights together with the next one's."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

if TYPE_CHECKING:
    from aetheria.stepping.cpu.conv1x1 import PointwiseKernel


class LazyUpsampled(Tensor):
    """What `by` makes of `cells`, a grid of twice the height and width, to be made later.

    A convolution of ours takes the cells and never makes it; for every operation of torch it is made.
    """

    cells: Tensor
    by: "PointwiseKernel"

    @staticmethod
    def __new__(cls, cells: Tensor, by: "PointwiseKernel") -> Self:
        batch, _, height, width = cells.shape
        shape = batch, by.conv.out_channels, 2 * height, 2 * width
        made: Self = Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32, device=cells.device)
        made.cells, made.by = cells, by
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's stub says function
        cls, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Contiguous, as it says of itself.
        args, kwargs = tree_map(lambda one: whole(one).contiguous() if isinstance(one, cls) else one, (args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def whole(values: Tensor) -> Tensor:
    """`values`, made if they are not yet."""
    return values.by.made(values.cells) if isinstance(values, LazyUpsampled) else values


def composed(first: Tensor, second: Tensor) -> Tensor:
    """The weights of a 3x3 convolution of what a transposed 2x2 one made, by those of its source.

    Args:
        first: of the transposed one, `(inputs, middle, 2, 2)`.
        second: `(outputs, middle, 3, 3)`.

    Returns:
        `(4, outputs, inputs, 3, 3)`, their first rows and columns zero: for the cell beside or below the middle of each
        2 x 2 cells that one cell makes. Place (0, 0) is the lower right of these, places (1, .) are a row further.
    """
    weights = first.new_zeros(2, 2, second.shape[0], first.shape[0], 3, 3, dtype=torch.float64)
    reach = [(place, step) for place in range(2) for step in range(3)]
    for down, y in reach:
        for across, x in reach:
            row, column = down + y, across + x  # of what is seen, from the first that the cell of the source made
            product = second[:, :, y, x].double() @ first[:, :, row % 2, column % 2].double().T
            weights[down, across, :, :, 1 + row // 2, 1 + column // 2] += product
    return weights.float().flatten(0, 1)
