"""`PerCellLaw`: two hidden layers at each cell, for laws that differ in what a cell perceives."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.laws.checks import check_positive
from aetheria.laws.layers import Convolution, Norm, as_dense, make_dense, make_norm, start_small
from aetheria.laws.local_network import CellNetwork, Filters
from aetheria.laws.updates import QuantumLaw


class PerCellLaw(QuantumLaw):
    """Perceives, then two hidden layers with ELU and an output layer at each cell.

    A subclass sets `perceive`, a layer to `hidden_channels` outputs, then calls `add_layers`.
    """

    perceive: Convolution

    def __init__(self, d_state: int, hidden_channels: int, *, norm: Norm, rank: int, **update: Any) -> None:
        """
        Args:
            d_state: complex amplitudes d per cell.
            hidden_channels: width h of the hidden layers.
            norm: "channel", "group" or "none", after each hidden layer.
            rank: number of grid axes.
            update: decay, normalise, boundary and radius, as for `QuantumLaw`.
        """
        super().__init__(d_state, norm=norm, rank=rank, **update)
        check_positive(f"[law.{type(self).__name__.lower()}]", hidden_channels=hidden_channels)
        self.hidden_channels = hidden_channels

    def add_layers(self, norm: Norm, output_scale: float | None) -> None:
        """Makes the layers after `perceive`; the last starts with weights of standard deviation `output_scale`."""
        (rank,), width = self.ranks, self.hidden_channels
        self.norms = nn.ModuleList(make_norm(norm, width) for _ in range(2))
        self.hidden = make_dense(rank, width, width)
        self.out = start_small(make_dense(rank, width, self.channels), output_scale)

    def perceived(self, cells: Tensor) -> Tensor:
        """Input of `perceive`: the cells themselves, unless a subclass says otherwise."""
        return cells

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        h = F.elu(self.norms[0](self.perceive(self.perceived(cells))))
        h = F.elu(self.norms[1](self.hidden(h)))
        return (self.out(h),)

    def as_cell_network(self, filters: Filters) -> CellNetwork | None:
        """The law as a `CellNetwork`, if the outputs of these filters are the inputs that `perceive` weighs.

        None for a norm with statistics across cells. A subclass must call it in a `cell_network` of its own: a method that is
        inherited tells nothing of what the subclass changes.
        """
        hidden, deeper = as_dense(self.perceive, self.norms[0], "elu"), as_dense(self.hidden, self.norms[1], "elu")
        last = as_dense(self.out, None, "none")
        if hidden is None or deeper is None or last is None:
            return None
        return CellNetwork(filters, (hidden, deeper, last), self.boundary, self.each("decay"), self.normalise)
