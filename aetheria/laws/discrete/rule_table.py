"""Rules of whole states from tables of transitions: WireWorld, Langton's loop, and any `.rule` file."""

from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, FileUnreadableError, nearest
from aetheria.files.rule_file import RuleFile, parse_rule_file, read_rule_file
from aetheria.laws.discrete.decision_tree import tree_of
from aetheria.laws.forms import TreeRule
from aetheria.laws.layers import pad
from aetheria.laws.registry import register
from aetheria.laws.rules.names import plain
from aetheria.laws.rules.tables import SHIPPED
from aetheria.laws.states import StateLaw, default_palette
from aetheria.laws.topology import check_topology

_WHERE = "[law.ruletable] rule"


@register
class RuleTable(StateLaw):
    """Rule of whole states that a table or decision tree gives, exact.

    Cells: one channel, states 0 .. n - 1. Tables over the cell and its von Neumann, Moore or hexagonal neighbours, or its two
    neighbours in a row. Transitions are tried in order, with all their symmetries; a cell for which none holds keeps its state.
    Source: Golly's help, "RuleLoader". Shipped: WireWorld (B. Silverman, 1987), Langtons-Loops (C. G. Langton,
    "Self-reproduction in cellular automata", Physica D 10, 1984, p. 135), JvN29 (J. von Neumann, "Theory of Self-Reproducing
    Automata", 1966), Nobili32 (R. Nobili, U. Pesavento, "Generalised von Neumann's automata", Artificial Worlds and Urban
    Studies, Venice, 1996) and Hutton32 (T. J. Hutton, 2008, as Golly runs it).
    """

    radius = 1
    reads_patterns = True
    _children: Tensor

    def __init__(self, rule: str = "WireWorld", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: the name of a shipped table, or the path of a `.rule` file.
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift; see `aetheria.laws.topology`.

        Raises:
            ConfigError: no such table, a table whose tree is too large, or no such boundary.
            FileUnreadableError: the file cannot be read, or a line of it is wrong.
        """
        super().__init__()
        self.boundary = check_topology(boundary, "ruletable")
        file = _file(rule)
        self._rule, self._name = rule, file.name or Path(rule).stem
        self._tree = tree_of(file.rule, _WHERE)
        states = self._tree.children.shape[1]
        self.set_states(states, file.palette(default_palette(states)))
        self.register_buffer("_children", torch.from_numpy(self._tree.children).flatten(), persistent=False)

    @property
    def rule(self) -> str:
        """The table, as it was given."""
        return self._rule

    def forward(self, cells: Tensor) -> Tensor:
        state = (cells + 0.5).to(torch.int32)
        halo = pad(state, 1, self.boundary)
        height, width = state.shape[-2:]
        states = self.states
        assert states is not None
        node = torch.zeros_like(state)
        for y, x in self._tree.inputs:
            asked = halo.narrow(-2, 1 + y, height).narrow(-1, 1 + x, width)
            place = (node * states + asked).flatten()
            node = self._children.index_select(0, place).view_as(state)
        return node.to(cells.dtype)

    @property
    def rule_string(self) -> str:
        return self._name

    def obeys(self, rule: str) -> bool:
        return plain(rule.partition(":")[0]) == plain(self._name)

    def tree_rule(self) -> TreeRule:
        return TreeRule(self._name, self._tree.inputs, self._tree.children, self.boundary)


def shipped_table(name: str) -> str:
    """The text of a shipped table."""
    return (resources.files("aetheria.laws.discrete") / "tables" / f"{name}.rule").read_text("utf-8")


def _file(rule: str) -> RuleFile:
    if not isinstance(rule, str) or not rule:
        raise ConfigError(f"{_WHERE}: {rule!r} given; expected the name of a table or the path of a .rule file")
    for name in SHIPPED:
        if plain(name) == plain(rule):
            return parse_rule_file(shipped_table(name), f"{name}.rule")
    if rule.endswith(".rule"):
        try:
            return read_rule_file(rule)
        except FileUnreadableError as error:
            raise FileUnreadableError(f"{_WHERE}: {error}") from None
    raise ConfigError(f'{_WHERE}: "{rule}" given; {nearest(rule, list(SHIPPED))}, or the path of a .rule file')
