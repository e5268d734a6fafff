"""Cells in and out of a motor: checked, laid out for stepping, copied."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import StateError
from aetheria.stepping.plan import memory_format


@dataclass(frozen=True)
class CellSpec:
    """What a motor's cells are: of which shape (B, C, H, W), where, and of which type."""

    shape: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class BlockUpdate:
    """New cells for a part of the old ones.

    Attributes:
        index: of the part in `(B, C, H, W)`; None for the whole.
        cells: `(B, C, h, w)`, or `(1, C, h, w)` for one universe.
        given: as they were given: `(C, h, w)` or `(B, C, h, w)`.
    """

    index: tuple[Any, ...] | None
    cells: Tensor
    given: Tensor

    def over(self, cells: Tensor) -> Tensor:
        """`cells` with the patch on them; they themselves are left alone."""
        if self.index is None:
            return self.cells
        patched = cells.clone()
        patched[self.index] = self.cells
        return patched


def checked_update(
    cells: Tensor | NDArray[np.generic], at: tuple[int, int] | None, universe: int | None, form: CellSpec
) -> BlockUpdate:
    """Cells `(C, h, w)` or `(B, C, h, w)` that are to replace a block at (top, left), or all; in one universe, or in all.

    Raises:
        StateError: no such universe, a block that leaves the grid, or what `checked_cells` raises.
    """
    batch, channels, height, width = form.shape
    if universe is not None and not 0 <= universe < batch:
        raise StateError(f"cells: universe {universe}; expected 0 to {batch - 1}")
    size = (height, width) if at is None else (int(cells.shape[-2]), int(cells.shape[-1])) if cells.ndim >= 2 else (0, 0)
    block = block_at(at or (0, 0), size, (height, width))
    checked = checked_cells(cells, replace(form, shape=(batch if universe is None else 1, channels, *size)))
    universes = slice(universe, None if universe is None else universe + 1)
    return BlockUpdate(
        None if at is None and universe is None else (universes, *block),
        checked,
        checked if cells.ndim == 4 and universe is None else checked[0],
    )


def block_at(at: tuple[int, ...], size: tuple[int, ...], grid: tuple[int, ...]) -> tuple[Any, ...]:
    """The index of a block in `(..., H, W)`. Raises StateError when it leaves the grid."""
    if any(start < 0 or n < 1 or start + n > end for start, n, end in zip(at, size, grid, strict=True)):
        raise StateError(f"cells: block of {size[0]} x {size[1]} at {at}; the grid is {grid[0]} x {grid[1]}")
    return (..., slice(at[0], at[0] + size[0]), slice(at[1], at[1] + size[1]))


def checked_cells(cells: Tensor | NDArray[np.generic], form: CellSpec) -> Tensor:
    """Cells of one universe `(C, H, W)` or all `(B, C, H, W)`, as a stepper wants them: a copy, inference mode.

    Raises:
        StateError: another shape than the form's, complex numbers, NaN or Inf.
    """
    given = torch.as_tensor(cells)
    if given.is_complex():
        raise StateError("cells: complex numbers given; expected real and imaginary blocks, (B, 2d, H, W)")
    shape = form.shape
    if tuple(given.shape) not in (shape, shape[1:]):
        raise StateError(
            f"cells: shape {tuple(given.shape)}; expected {shape} or {shape[1:]} (universes, channels, height, width)"
        )
    with torch.inference_mode():
        ready = given.detach().to(form.device, form.dtype).expand(shape).clone(memory_format=torch.contiguous_format)
        if not finite(ready):
            raise StateError("cells: NaN or Inf given; expected finite values")
        return ready.contiguous(memory_format=memory_format(ready))


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
