"""Cells in and out of a motor: checked, laid out for stepping, copied."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.device import times
from aetheria.core.errors import StateError
from aetheria.stepping.plan import memory_format


@dataclass(frozen=True)
class CellSpec:
    """The shape (B, C, *grid), device and type of a motor's cells."""

    shape: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype

    @property
    def grid(self) -> tuple[int, ...]:
        """The sides of the grid."""
        return self.shape[2:]


@dataclass(frozen=True, eq=False)
class BlockUpdate:
    """New cells for a block of the old ones.

    Attributes:
        block: the part of the grid that changes.
        universe: the only one that changes; None for all.
        cells: `(B, C, *size)`, or `(1, C, *size)` for one universe.
        given: as they were given: `(C, *size)` or `(B, C, *size)`.
    """

    block: Block
    universe: int | None
    cells: Tensor
    given: Tensor

    def over(self, cells: Tensor) -> Tensor:
        """`cells` with the update in place; they themselves are left alone."""
        if self.universe is None and self.block.size == tuple(cells.shape[2:]):
            return self.cells
        updated = cells.clone()
        universes = slice(self.universe, None if self.universe is None else self.universe + 1)
        updated[universes][self.block.index] = self.cells
        return updated


def checked_update(cells: object, at: Sequence[int] | None, universe: int | None, spec: CellSpec) -> BlockUpdate:
    """Cells `(C, *size)` or `(B, C, *size)` that are to replace a block with its corner at `at`, or all.

    Args:
        universe: the only one that changes; None for all.

    Raises:
        StateError: no such universe, a block that leaves the grid, or what `checked_cells` raises.
    """
    batch, channels, *grid = spec.shape
    rank = len(grid)
    if universe is not None and not 0 <= universe < batch:
        raise StateError(f"cells: universe {universe}; expected 0 to {batch - 1}")
    if at is not None and len(at) != rank:
        raise StateError(f"cells: corner {tuple(at)} given; the grid of {times(grid)} has {rank} axes")
    corner = (0,) * rank if at is None else tuple(map(int, at))
    cells = as_tensor(cells)
    size = tuple(grid) if at is None else tuple(map(int, cells.shape[-rank:])) if cells.ndim >= rank else (0,) * rank
    block = checked_block((Block(corner, size),), tuple(grid))
    checked = checked_cells(cells, replace(spec, shape=(batch if universe is None else 1, channels, *size)))
    return BlockUpdate(block, universe, checked, checked if cells.ndim == rank + 2 and universe is None else checked[0])


def checked_block(given: Sequence[Block | int], grid: tuple[int, ...]) -> Block:
    """A block of the grid.

    Args:
        given: a `Block` alone, or the numbers of its corner and then of its size.

    Raises:
        StateError: it has another number of axes than the grid, or leaves it.
    """
    if len(given) == 1 and isinstance(given[0], Block):
        block = given[0]
    else:
        numbers = [int(number) for number in given if not isinstance(number, Block)]
        block = Block(tuple(numbers[: len(grid)]), tuple(numbers[len(grid) :]))
    if not block.inside(grid):
        raise StateError(f"cells: block of {block}; the grid is {times(grid)}")
    return block


def checked_cells(cells: object, spec: CellSpec) -> Tensor:
    """Cells of one universe `(C, *grid)` or all `(B, C, *grid)`, laid out for stepping: a copy, in inference mode.

    Cells of a law with one channel may come without that axis, `(*grid)`.

    Raises:
        StateError: another shape than the spec's, no real numbers, NaN or Inf.
    """
    given = as_tensor(cells)
    if given.is_complex():
        raise StateError("cells: complex numbers given; expected real and imaginary blocks, (B, 2d, *grid)")
    shape = spec.shape
    if shape[1] == 1 and given.shape == shape[2:]:
        given = given[None]
    if tuple(given.shape) not in (shape, shape[1:]):
        axes = ", ".join(("depth", "height", "width")[-len(spec.grid) :])
        raise StateError(f"cells: shape {tuple(given.shape)}; expected {shape} or {shape[1:]} (universes, channels, {axes})")
    with torch.inference_mode():
        all_alike = given.detach().to(spec.device, spec.dtype).expand(shape)
        ready = all_alike.clone(memory_format=memory_format(all_alike))
        if not finite(ready):
            raise StateError("cells: NaN or Inf given; expected finite values")
        return ready


def as_tensor(values: object) -> Tensor:
    """A tensor of any array of numbers: of either byte order, any strides, long doubles, nested lists.

    Raises:
        StateError: the values are no array of numbers.
    """
    if isinstance(values, Tensor):
        return values
    try:
        array = np.asarray(values)
    except ValueError as error:  # nested lists of different lengths
        raise StateError(f"cells: {error}; expected an array of numbers") from None
    if array.dtype.kind not in "biufc":
        raise StateError(f"cells: an array of {array.dtype} given; expected numbers")
    if array.dtype.kind in "fc" and array.dtype.itemsize > 8 * (1 + (array.dtype.kind == "c")):
        array = array.astype(complex if array.dtype.kind == "c" else float)  # long doubles, which torch has not
    # torch takes no other byte order and no negative strides, and warns of read-only memory.
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))


def finite(cells: Tensor) -> bool:
    """Whether no cell is NaN or Inf. One pass over the cells."""
    # The sum is NaN or Inf if any cell is; only then is it worth looking at each. On the CPU by NumPy, in one thread:
    # torch's would spin for milliseconds after it, on a core that the next steps need.
    with np.errstate(all="ignore"):
        total = float(cells.sum() if cells.is_cuda else cells.numpy().sum())
    return math.isfinite(total) or bool(cells.isfinite().all())


def copied(tensor: Tensor) -> Tensor:
    """A copy that is an ordinary tensor, fit for autograd, also of an inference tensor."""
    with torch.inference_mode(False):
        return torch.empty_like(tensor, requires_grad=False).copy_(tensor)
