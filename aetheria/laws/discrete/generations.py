"""Generations: two-state rules whose cells decay through further states instead of dying at once."""

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED, Colour, Law
from aetheria.laws.controls import TextControl
from aetheria.laws.discrete.blocks import block_numbers, table_tensor
from aetheria.laws.forms import BlockRule
from aetheria.laws.layers import pad
from aetheria.laws.registry import register
from aetheria.laws.rules import read_rule, same_rule
from aetheria.laws.rules.generations import decay_of
from aetheria.laws.topology import check_topology

_WANTED = 'expected survivals/births/states, as in "345/2/4", or "B2/S345/C4"'


@register
class Generations(Law):
    """Two-state rule with decaying cells, exact.

    Cells: one channel, 0 dead, 1 alive, 2 .. n - 1 decaying. A dead cell is born and a live one survives as the two-state
    rule says, which counts live cells alone. A live cell that does not survive, and any decaying one, goes on to the next
    state, and from the last one to 0. Rules: survivals/births/states (345/2/4 is Star Wars, /2/3 Brian's Brain), with Hensel's
    letters, V or H. Source: M. Wojtowicz, MCell, "Generations"; Brian's Brain: B. Silverman, 1984.
    """

    channels = 1
    radius = 1
    exact = True
    reads_patterns = True
    alive = (0, 0.5)
    default_field = "channel_0"
    fields = ("channel", "state", "population", "count", "energy", *PLOTTED)
    controls = (TextControl("rule", 'survivals/births/states, as in "345/2/4"; the number of states stays'),)
    _table: Tensor

    def __init__(self, rule: str = "345/2/4", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: survivals/births/states, as in "345/2/4", or another notation of `read_rule`.
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift; see `aetheria.laws.topology`.

        Raises:
            ConfigError: `rule` is no Generations rule, or the boundary is none.
        """
        super().__init__()
        self.boundary = check_topology(boundary, "generations")
        self.register_buffer("_table", torch.zeros(512, dtype=torch.uint8), persistent=False)
        self.states = 0
        self.rule = rule
        self.value_range = (0.0, float(self._last))
        self.palette = decay_palette(self._last + 1)

    @property
    def rule(self) -> str:
        """The rule, as in "345/2/4". A new one of as many states applies from the next step on; else raises ConfigError."""
        return self._rule

    @rule.setter
    def rule(self, rule: str) -> None:
        text = _checked(rule)
        decay = decay_of(text)
        assert decay is not None
        if self.states not in (0, decay.states):
            raise ConfigError(f'[law.generations] rule: "{rule}" has {decay.states} states; the cells have {self.states}')
        with torch.inference_mode():
            self._table.copy_(table_tensor(decay.table.bits))
        self._rule, self._bits, self.states, self._last = text, decay.table.bits, decay.states, decay.states - 1

    def forward(self, cells: Tensor) -> Tensor:
        state = (cells + 0.5).to(torch.int32)
        alive = (state == 1).to(torch.int32)
        blocks = block_numbers(pad(alive, 1, self.boundary))
        lives = self._table.index_select(0, blocks.flatten()).view_as(cells).to(torch.int32)
        older = (state + 1) * (state != self._last)
        return torch.where(state == 0, lives, torch.where(alive * lives == 1, 1, older)).to(cells.dtype)

    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup: each cell alive with chance 0.35, the others dead."""
        return (torch.rand(1, *grid, generator=generator) < 0.35).float()

    @property
    def rule_string(self) -> str:
        return self._rule

    def obeys(self, rule: str) -> bool:
        return same_rule(rule, self.rule)

    def block_rule(self) -> BlockRule:
        return BlockRule(self._bits, self._last + 1, self.boundary)


def decay_palette(states: int) -> tuple[Colour, ...]:
    """Black for dead cells, white-yellow for live ones, and from orange to dark red while they decay."""
    ages = max(1, states - 2)
    decaying = [
        (round(220 - 160 * age / ages), round(110 * (1 - age / ages)), round(30 * age / ages)) for age in range(states - 2)
    ]
    return ((0, 0, 0), (255, 245, 200), *decaying)[:states]


def _checked(text: str) -> str:
    """A Generations rule in its usual notation."""
    where = "[law.generations] rule"
    rule = read_rule(text, where, _WANTED)
    if rule.law != "Generations":
        raise ConfigError(f'{where}: "{text}" given; {_WANTED}; it is a rule of another family: {rule.family}')
    if rule.grid is not None:
        raise ConfigError(f'{where}: "{text}" given; {_WANTED}; the grid and its boundary are settings of their own')
    return rule.text
