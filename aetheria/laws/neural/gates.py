"""Two-input logic gates: their tables, their values between 0 and 1, and layers of them with fixed wires."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from aetheria.laws.forms import Gates

GATES = 16
# Row g, column 2 a + b: gate g of (a, b). Numbered as by F. Petersen et al., "Deep Differentiable Logic Gate Networks", NeurIPS
# 2022: 0, a&b, a&~b, a, ~a&b, b, xor, or, nor, xnor, ~b, a|~b, ~a, ~a|b, nand, 1: the bits of g, the highest first.
TABLE = torch.tensor([[(gate >> (3 - place)) & 1 for place in range(4)] for gate in range(GATES)], dtype=torch.float32)


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
        left, right = (inputs.index_select(1, wires) for wires in self.wires)
        if self.training:
            chances = self.scores.softmax(1) @ self.table.to(self.scores.dtype)
        else:
            chances = self.table.index_select(0, self.scores.argmax(1))
        none, only_right, only_left, both = (column.view(-1, *[1] * (inputs.ndim - 2)) for column in chances.to(inputs.dtype).T)
        # Every gate is a sum over the four cases of (a, b).
        return (
            none
            + left * (only_left - none)
            + right * (only_right - none)
            + left * right * (none + both - only_left - only_right)
        )


def layer_sizes(inputs: int, outputs: int, widths: Sequence[int]) -> list[tuple[int, int]]:
    """(inputs, gates) of each layer."""
    sizes = [inputs, *widths, outputs]
    return list(pairwise(sizes))
