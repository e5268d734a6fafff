"""Life and every other two-state rule on the block of 3x3 cells."""

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.controls import TextControl
from aetheria.laws.discrete.blocks import BlockLaw
from aetheria.laws.forms import BitRule, BlockRule
from aetheria.laws.registry import register
from aetheria.laws.rules import rule_for, same_rule
from aetheria.laws.rules.block_table import totalistic_counts
from aetheria.laws.rules.two_state import block_table

_WANTED = 'expected a two-state rule, as in "B3/S23", "B2-a/S12", "B2/S34H" or "MAP..."'


@register
class Life(BlockLaw):
    """Two-state rule on the Moore neighbourhood, exact: any function of the nine cells.

    Cells: one channel, 0 dead and 1 alive. Rules of births and survivals (B3/S23), of configurations in Hensel's letters
    (B2-a/S12), on the von Neumann and hexagonal neighbourhoods (B2/S34H), and of 512 next states (MAP). Rules with B0 step the
    empty grid as they say. Source: M. Gardner, Scientific American 223(4), October 1970, p. 120.
    """

    states = 2
    value_range = (0.0, 1.0)
    default_field = "channel_0"
    fields = ("channel", "state", "alive", "population", "count", "energy", *PLOTTED)
    controls = (TextControl("rule", 'births and survivals by live neighbours, as in "B36/S23", or another two-state rule'),)

    def __init__(self, rule: str = "B3/S23", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: births and survivals, as in "B36/S23", or another two-state rule in any notation of `read_rule` or by name;
                "B/S" kills everything.
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift, as in "klein-x"; see
                `aetheria.laws.topology`.

        Raises:
            ConfigError: `rule` is no two-state rule, or the boundary is none.
        """
        super().__init__(boundary)
        self.rule = rule

    @property
    def rule(self) -> str:
        """The rule, as in "B3/S23". A new one applies from the next step on; raises ConfigError when it is not a rule."""
        return self._rule

    @rule.setter
    def rule(self, rule: str) -> None:
        table = block_table(rule_for("Life", rule, _WANTED).text)
        assert table is not None
        self.take_table(table.bits)
        self._rule, self._bits, self._counts = table.text, table.bits, totalistic_counts(table.bits)

    def forward(self, cells: Tensor) -> Tensor:
        return self.lives((cells > 0.5).to(torch.int32)).to(cells.dtype)

    @property
    def rule_string(self) -> str:
        return self._rule

    def obeys(self, rule: str) -> bool:
        return same_rule(rule, self.rule)

    def bit_rule(self) -> BitRule | None:
        plain = next((boundary for boundary in BOUNDARIES if boundary == self.boundary), None)
        return None if self._counts is None or plain is None else BitRule(self._counts, plain)

    def block_rule(self) -> BlockRule:
        return BlockRule(self._bits, 2, self.boundary)


def parse_rule(rule: str) -> tuple[frozenset[int], frozenset[int]]:
    """The neighbour counts for birth and for survival of a Life-like rule, in any notation or by name.

    Raises:
        ConfigError: `rule` is no Life-like rule.
    """
    found = rule_for("Life", rule, _WANTED)
    if found.family != "Life-like":
        raise ConfigError(f'[law.life] rule: "{rule}" given; expected births and survivals by counts, as in "B3/S23"')
    birth, _, survival = found.text.partition("/")
    return frozenset(map(int, birth[1:])), frozenset(map(int, survival[1:]))
