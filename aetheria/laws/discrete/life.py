"""Life and the other two-state outer-totalistic rules on the Moore neighbourhood."""

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import Boundary, check_boundary
from aetheria.laws.controls import TextControl
from aetheria.laws.forms import BitRule
from aetheria.laws.layers import moore_sum, pad
from aetheria.laws.registry import register
from aetheria.laws.rules import read_rule, same_rule

_WANTED = 'expected B<digits>/S<digits> with digits 0-8, as in "B3/S23"'


@register
class Life(Law):
    """Two-state outer-totalistic rule on the Moore neighbourhood, exact.

    Cells: one channel, 0 dead and 1 alive. Source: M. Gardner, Scientific American 223(4), October 1970, p. 120.
    """

    channels = 1
    radius = 1
    states = 2
    value_range = (0.0, 1.0)
    exact = True
    reads_patterns = True
    alive = (0, 0.5)
    fields = ("channel", "population", "energy", *PLOTTED)
    table: Tensor
    controls = (TextControl("rule", 'neighbour counts for birth and survival, as in "B36/S23"'),)

    def __init__(self, rule: str = "B3/S23", *, boundary: Boundary = "periodic") -> None:
        """
        Args:
            rule: neighbour counts for birth and survival, as in "B36/S23", in any notation of `read_rule` or by name; "B/S"
                kills everything.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: `rule` is no Life-like rule.
        """
        super().__init__()
        self.boundary = check_boundary(boundary, "life")
        self.register_buffer("table", torch.zeros(18), persistent=False)
        self.rule = rule

    @property
    def rule(self) -> str:
        """The rule, as in "B3/S23". A new one applies from the next step on; raises ConfigError when it is not a rule."""
        return self._rule

    @rule.setter
    def rule(self, rule: str) -> None:
        text = _checked(rule)
        counts = parse_rule(text)
        with torch.inference_mode():
            self.table.copy_(torch.tensor([float(n in some) for some in counts for n in range(9)]))
        self._rule = text

    def forward(self, cells: Tensor) -> Tensor:
        alive = (cells > 0.5).to(torch.int32)
        count = moore_sum(pad(alive, 1, self.boundary)) - alive
        # index_select reads a small table several times faster than indexing does.
        return self.table.index_select(0, (9 * alive + count).flatten()).view_as(cells).to(cells.dtype)

    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup: each cell alive with chance 0.35."""
        return (torch.rand(1, *grid, generator=generator) < 0.35).float()

    @property
    def rule_string(self) -> str:
        return self._rule

    def obeys(self, rule: str) -> bool:
        return same_rule(rule, self.rule)

    def bit_rule(self) -> BitRule:
        return BitRule(tuple(self.table.tolist()), self.boundary)


def parse_rule(rule: str) -> tuple[frozenset[int], frozenset[int]]:
    """The neighbour counts for birth and for survival of a Life-like rule, in any notation or by name.

    Raises:
        ConfigError: `rule` is no Life-like rule.
    """
    birth, _, survival = _checked(rule).partition("/")
    return frozenset(map(int, birth[1:])), frozenset(map(int, survival[1:]))


def _checked(text: str) -> str:
    """A Life-like rule as B<digits>/S<digits>."""
    where = "[law.life] rule"
    rule = read_rule(text, where, _WANTED)
    if rule.law != "Life":
        raise ConfigError(f'{where}: "{text}" given; {_WANTED}; it is a rule of another family: {rule.family}')
    if rule.grid is not None:
        raise ConfigError(f'{where}: "{text}" given; {_WANTED}; the grid and its boundary are settings of their own')
    return rule.text
