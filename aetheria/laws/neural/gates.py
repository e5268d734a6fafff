"""Two-input logic gates: their tables, their values between 0 and 1, and layers of them with fixed wires."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.laws.forms import Gates

GATES = 16
# Row g, column 2 a + b: gate g of (a, b). Numbered as by F. Petersen et al., "Deep Differentiable Logic Gate Networks", NeurIPS
# 2022: 0, a&b, a&~b, a, ~a&b, b, xor, or, nor, xnor, ~b, a|~b, ~a, ~a|b, nand, 1: the bits of g, the highest first.
TABLE = torch.tensor([[(gate >> (3 - place)) & 1 for place in range(4)] for gate in range(GATES)], dtype=torch.float32)
# Row: its value for ab = 00, 01, 10, 11; columns: its constant, and the factors of a, b and ab.
_FACTORS = torch.tensor([[1.0, -1, -1, 1], [0, 0, 1, -1], [0, 1, 0, -1], [0, 0, 0, 1]])


class GateLayer(nn.Module):
    """Gates of two inputs each: wires that never change, and scores of the 16 gates, of which the best one counts.

    Attributes:
        scores: `(gates, 16)`, to be learned.
        wires: `(2, gates)` int64: the left and the right input of each gate.
    """

    wires: Tensor
    table: Tensor

    def __init__(self, inputs: int, gates: int, pass_score: float = 3.0) -> None:
        """Wires so that each input is used alike, in random order; every gate most likely passes its left input on.

        Args:
            pass_score: lead of that gate's score over the others', which are normally distributed.
        """
        super().__init__()
        places = torch.arange(2 * gates) % inputs
        order = torch.randperm(2 * gates)
        left, right = places[order].chunk(2)
        right = torch.where(left == right, (right + 1) % inputs, right)
        self.register_buffer("wires", torch.stack((left, right)))
        self.register_buffer("table", TABLE.clone(), persistent=False)
        scores = torch.randn(gates, GATES)
        scores[:, 3] += pass_score
        self.scores = nn.Parameter(scores)

    def set_gates(self, gates: Sequence[Sequence[int]] | Tensor) -> None:
        """Sets kinds and wires from rows (gate, left, right), as `(3, gates)`."""
        rows = torch.as_tensor(gates, dtype=torch.int64)
        with torch.no_grad():
            self.wires.copy_(rows[1:])
            self.scores.zero_().scatter_(1, rows[0][:, None], 10.0)

    def gates(self) -> Gates:
        """The best gate of each, and its wires."""
        return Gates(tuple(self.scores.argmax(1).tolist()), *(tuple(wires) for wires in self.wires.tolist()))

    def forward(self, inputs: Tensor) -> Tensor:
        """`(B, inputs, *grid)` in 0..1 to `(B, gates, *grid)`.

        In eval mode the best gate of each, exact on 0 and 1; in train mode the mean over the gates, weighted by the softmax of
        their scores, of the values that they have for independent chances a and b of a 1.
        """
        found = through_circuits([[self]], inputs.transpose(0, 1).flatten(1))
        return found.view(-1, inputs.shape[0], *inputs.shape[2:]).transpose(0, 1)

    def factors(self, scores: Tensor) -> Tensor:
        """What gates of these scores `(gates, 16)` do, as `(gates, 4)`: their constant, and the factors of a, b and ab."""
        if self.training:
            chances = scores.softmax(1) @ self.table.to(scores.dtype)
        else:
            chances = self.table.index_select(0, scores.argmax(1))
        return chances @ _FACTORS.to(chances)


def through_circuits(circuits: Sequence[Sequence[GateLayer]], values: Tensor) -> Tensor:
    """Values `(inputs, N)` through circuits of equal widths that all read them: their outputs one after another `(outputs, N)`.

    The circuits are computed together, a layer at a time.
    """
    width = 0  # the first layers read the same values, the next ones those of their own circuit
    for layers in zip(*circuits, strict=True):
        factors = layers[0].factors(torch.cat([layer.scores for layer in layers]))
        left, right = torch.cat([layer.wires + number * width for number, layer in enumerate(layers)], 1)
        # Only a training needs the gradient, and the compiler captures plain operations alone as one graph.
        products: Callable[..., Tensor] = _Products.apply if factors.requires_grad else _products
        values = products(values, factors.to(values.dtype), left, right)
        width = len(layers[0].scores)
    return values


def _products(values: Tensor, factors: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """`c0 + c1 a + c2 b + c3 a b` of values `(inputs, N)` by factors `(gates, 4)`: `(gates, N)`; a, b: rows `left`, `right`."""
    a, b = values.index_select(0, left), values.index_select(0, right)
    none, by_a, by_b, by_both = factors.T[:, :, None]
    return torch.addcmul(none, a, by_a).addcmul_(b, by_b).addcmul_(a * b, by_both)


class _Products(torch.autograd.Function):
    """`_products` with its gradient written out, since that of each product and sum alone takes several times as long."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factors: Tensor, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(values, factors, left, right)
        return _products(values, factors, left, right)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, factors, left, right = ctx.saved_tensors
        a, b = values.index_select(0, left), values.index_select(0, right)
        grad, by_a = grads[0], grads[0] * a
        to_factors = torch.stack((grad.sum(1), by_a.sum(1), (grad * b).sum(1), (by_a * b).sum(1)), 1)
        to_values = None
        if ctx.needs_input_grad[0]:
            _, of_a, of_b, of_both = factors.T[:, :, None]
            to_values = torch.zeros_like(values)
            to_values.index_add_(0, left, grad * torch.addcmul(of_a, b, of_both))
            to_values.index_add_(0, right, grad * torch.addcmul(of_b, a, of_both))
        return to_values, to_factors, None, None


def layer_sizes(inputs: int, outputs: int, widths: Sequence[int]) -> list[tuple[int, int]]:
    """(inputs, gates) of each layer."""
    sizes = [inputs, *widths, outputs]
    return list(pairwise(sizes))
