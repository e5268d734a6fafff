"""`PackedStates`: base of the plans whose packed states can be subtracted, and subtraction modulo the number of states."""

import torch
from torch import Tensor

from aetheria.stepping.plan import Plan


class PackedStates(Plan):
    """Steps whole states in one packed tensor; a single step leaves the one that it steps from as it was."""

    name = "packed"

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        """Packed states minus others, modulo the number of states; the first may be overwritten."""
        raise NotImplementedError


def minus_modulo(states: Tensor, past: Tensor, number: int) -> Tensor:
    """Bytes: states minus others, modulo the number of states."""
    return torch.where(states < past, states + number, states) - past  # bytes wrap around


def minus_in_planes(states: Tensor, past: Tensor, number: int) -> Tensor:
    """The same of bits in planes `(B, planes, ...)`, int64, by binary subtraction."""
    planes, borrow = [], torch.zeros_like(states[:, 0])
    for one, other in zip(states.unbind(1), past.unbind(1), strict=True):
        planes.append(one ^ other ^ borrow)
        borrow = (~one & other) | (~(one ^ other) & borrow)
    below_zero, carry = borrow, torch.zeros_like(borrow)
    for place, plane in enumerate(planes):
        added = below_zero if number >> place & 1 else torch.zeros_like(below_zero)
        planes[place] = plane ^ added ^ carry
        carry = (plane & added) | (carry & (plane ^ added))
    return torch.stack(planes, 1)
