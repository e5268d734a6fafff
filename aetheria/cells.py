"""Cells in and out of a motor: checked, laid out for stepping, copied."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.errors import StateError
from aetheria.stepping.plan import memory_format


def checked_cells(
    cells: Tensor | NDArray[np.generic], shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Cells of one universe `(C, H, W)` or all `(B, C, H, W)`, as a stepper wants them: a copy, inference mode.

    Raises:
        StateError: another shape than `shape`, complex numbers, NaN or Inf.
    """
    given = torch.as_tensor(cells)
    if given.is_complex():
        raise StateError("cells: complex numbers given; expected real and imaginary blocks, (B, 2d, H, W)")
    if tuple(given.shape) not in (shape, shape[1:]):
        raise StateError(
            f"cells: shape {tuple(given.shape)}; expected {shape} or {shape[1:]} (universes, channels, height, width)"
        )
    with torch.inference_mode():
        ready = given.detach().to(device, dtype).expand(shape).clone(memory_format=torch.contiguous_format)
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
