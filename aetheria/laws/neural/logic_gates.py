"""LogicGates: a cellular automaton of two-input logic gates, soft while it is trained and hard while it steps."""

import torch
from torch import Tensor, nn

from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_rank, check_whole
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import GateRule
from aetheria.laws.layers import pad, window
from aetheria.laws.neighbourhoods import offsets
from aetheria.laws.neural.gates import GateLayer, layer_sizes, through_circuits
from aetheria.laws.registry import register
from aetheria.laws.states import StateLaw

_WHERE = "[law.logicgates]"


@register
class LogicGates(StateLaw):
    """Circuits perceive the Moore neighbourhood of each channel, and one circuit makes the next cell.

    Cells: channels of 0 and 1. Each perception circuit reads the cells of one channel, the middle one first, then its
    neighbours in reading order, and gives one bit; it is the same for all channels. The update circuit reads the channels of
    the cell, then the bit of circuit 0 for each channel, of circuit 1, and so on, and gives the next channels.

    In train mode values lie between 0 and 1 and each gate is a weighted mean of the 16, with a gradient; in eval mode each is
    the best one of them. Source: P. Miotti, E. Niklasson, E. Randazzo, A. Mordvintsev, "Differentiable Logic Cellular
    Automata", Google 2025.
    """

    ranks = RANKS
    radius = 1
    states = 2
    fields = ("state", "alive", "channel", "density", "mass", "energy", "gradient", "population", "count", *PLOTTED)

    def __init__(
        self,
        channels: int = 8,
        *,
        circuits: int = 8,
        perceive_gates: list[int] | None = None,
        update_gates: list[int] | None = None,
        pass_score: float = 3.0,
        rank: int = 2,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            channels: bits of a cell.
            circuits: number of perception circuits.
            perceive_gates: gates in the layers of a perception circuit before its last one; None for [8, 4, 2].
            update_gates: gates in the layers of the update circuit before its last one; None for [8, 4, 2] times channels.
            pass_score: lead, before training, of the score of the gate that passes its left input on; in a network of many
                layers values fade on their way unless it is about 10.
            rank: number of grid axes, 1, 2 or 3.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.channels = check_whole(_WHERE, 1, 1024, channels=channels)
        self.circuits = check_whole(_WHERE, 1, 1024, circuits=circuits)
        self.ranks = (check_rank(rank, "logicgates"),)
        self.boundary: Boundary = check_boundary(boundary, "logicgates")
        self.set_states(2)
        self.perceive_gates = _widths("perceive_gates", [8, 4, 2] if perceive_gates is None else perceive_gates)
        self.update_gates = _widths(
            "update_gates", [8 * channels, 4 * channels, 2 * channels] if update_gates is None else update_gates
        )
        self.offsets = [(0,) * rank, *offsets("moore", 1, rank)]
        self.perception = nn.ModuleList(
            _circuit(len(self.offsets), 1, self.perceive_gates, pass_score) for _ in range(circuits)
        )
        self.update = _circuit(channels * (1 + circuits), channels, self.update_gates, pass_score)

    def forward(self, cells: Tensor) -> Tensor:
        around = through_circuits([_layers(circuit) for circuit in self.perception], _in_rows(self._around(cells)))
        seen = around.view(-1, *cells.shape).transpose(0, 1).flatten(1, 2)
        after = through_circuits([_layers(self.update)], _in_rows(torch.cat((cells, seen), 1)))
        return after.view(self.channels, len(cells), *cells.shape[2:]).transpose(0, 1)

    def gate_rule(self) -> GateRule | None:
        if self.training:
            return None
        circuits = [tuple(layer.gates() for layer in circuit) for circuit in (*self.perception, self.update)]
        return GateRule(tuple(circuits[:-1]), circuits[-1], tuple(self.offsets), self.boundary)

    def _around(self, cells: Tensor) -> Tensor:
        """`(B C, 3^n, *grid)`: each channel's neighbourhood, the middle cell first."""
        halo, grid = pad(cells, 1, self.boundary), cells.shape[2:]
        seen = [window(halo, tuple(1 + by for by in offset), grid) for offset in self.offsets]
        return torch.stack(seen, 2).flatten(0, 1)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Each bit 1 with chance 1/2."""
        return torch.randint(2, (self.channels, *grid), generator=generator).float()


def _in_rows(bits: Tensor) -> Tensor:
    """`(B, inputs, *grid)` as `(inputs, B cells)`: the values that a gate reads lie side by side."""
    return bits.transpose(0, 1).flatten(1)


def _layers(circuit: nn.Module) -> list[GateLayer]:
    return [layer for layer in circuit.children() if isinstance(layer, GateLayer)]


def _circuit(inputs: int, outputs: int, widths: list[int], pass_score: float) -> nn.Sequential:
    return nn.Sequential(*(GateLayer(*sizes, pass_score) for sizes in layer_sizes(inputs, outputs, widths)))


def _widths(name: str, given: list[int]) -> list[int]:
    for width in given:
        check_whole(f"{_WHERE} {name}", 1, 1 << 20, gates=width)
    return list(given)
