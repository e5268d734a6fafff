"""Generations: two-state rules whose cells decay through further states instead of dying at once."""

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Colour
from aetheria.laws.controls import TextControl
from aetheria.laws.discrete.blocks import BlockLaw
from aetheria.laws.forms import BlockRule
from aetheria.laws.registry import register
from aetheria.laws.rules import rule_for, same_rule
from aetheria.laws.rules.generations import decay_of

_WANTED = 'expected survivals/births/states, as in "345/2/4", or "B2/S345/C4"'


@register
class Generations(BlockLaw):
    """Two-state rule with decaying cells, exact.

    Cells: one channel, 0 dead, 1 alive, 2 .. n - 1 decaying. A dead cell is born and a live one survives as the two-state
    rule says, which counts live cells alone. A live cell that does not survive, and any decaying one, goes on to the next
    state, and from the last one to 0. Rules: survivals/births/states (345/2/4 is Star Wars, /2/3 Brian's Brain), with Hensel's
    letters, V or H. Source: M. Wojtowicz, MCell, "Generations"; Brian's Brain: B. Silverman, 1984.
    """

    controls = (TextControl("rule", 'survivals/births/states, as in "345/2/4"; the number of states stays'),)

    def __init__(self, rule: str = "345/2/4", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: survivals/births/states, as in "345/2/4", or another notation of `read_rule`.
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift; see `aetheria.laws.topology`.

        Raises:
            ConfigError: `rule` is no Generations rule, or the boundary is none.
        """
        super().__init__(boundary)
        self.rule = rule

    @property
    def rule(self) -> str:
        """The rule, as in "345/2/4". A new one of as many states applies from the next step on; else raises ConfigError."""
        return self._decay.text

    @rule.setter
    def rule(self, rule: str) -> None:
        decay = decay_of(rule_for("Generations", rule, _WANTED).text)
        assert decay is not None
        if self.states not in (None, decay.states):
            raise ConfigError(f'[law.generations] rule: "{rule}" has {decay.states} states; the cells have {self.states}')
        self.take_table(decay.table.bits)
        self.set_states(decay.states, decay_palette(decay.states))
        self._decay = decay

    def forward(self, cells: Tensor) -> Tensor:
        state = (cells + 0.5).to(torch.int32)
        alive = (state == 1).to(torch.int32)
        lives = self.lives(alive)
        older = (state + 1) * (state != self._decay.states - 1)
        return torch.where(state == 0, lives, torch.where(alive * lives == 1, 1, older)).to(cells.dtype)

    @property
    def rule_string(self) -> str:
        return self._decay.text

    def obeys(self, rule: str) -> bool:
        return same_rule(rule, self.rule)

    def block_rule(self) -> BlockRule:
        return BlockRule(self._decay.table.bits, self._decay.states, self.boundary)


def decay_palette(states: int) -> tuple[Colour, ...]:
    """Black for dead cells, white-yellow for live ones, and from orange to dark red while they decay."""
    ages = max(1, states - 2)
    decaying = [
        (round(220 - 160 * age / ages), round(110 * (1 - age / ages)), round(30 * age / ages)) for age in range(states - 2)
    ]
    return ((0, 0, 0), (255, 245, 200), *decaying)[:states]
