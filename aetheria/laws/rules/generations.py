"""Generations: two-state rules whose cells decay through further states instead of dying at once."""

import re
from dataclasses import dataclass

from aetheria.laws.rules.rule import Rule, notation
from aetheria.laws.rules.two_state import BlockTable, block_table, rule_of

FAMILY = "Generations"
MOST_STATES = 256
_STATES_LAST = re.compile(r"(?P<rule>.+)/[cg]?(?P<states>\d{1,9})(?P<end>[vh]?)", re.I)
_STATES_FIRST = re.compile(r"[cg](?P<states>\d{1,9})/?(?P<rule>b.*?)(?P<end>[vh]?)", re.I)
_BY_COUNTS = re.compile(r"B(?P<births>[^/]*)/S(?P<survivals>[^VH]*)(?P<end>[VH]?)")


@dataclass(frozen=True)
class Decay:
    """A Generations rule: births and survivals of a two-state rule, and the number of states."""

    table: BlockTable
    states: int

    @property
    def text(self) -> str:
        """Survivals, births and states, as in "345/2/4"; the neighbourhood comes last, as in "/2/3V"."""
        found = _BY_COUNTS.fullmatch(self.table.text)
        if not found:
            return f"{self.table.text}/{self.states}"
        return f"{found['survivals']}/{found['births']}/{self.states}{found['end']}"


@notation(FAMILY, "345/2/4", "/2/3", "B2/S345/C4", "B2/S345/4", "g4b2s345", "/2/3V", "2-i3/2ce3/6")
def read(text: str) -> Rule | None:
    """A Generations rule; one of two states is the two-state rule itself."""
    decay = decay_of(text)
    if decay is None:
        return None
    if decay.states == 2:
        return rule_of(decay.table)
    return Rule(FAMILY, decay.text, "Generations", {"rule": decay.text})


def decay_of(text: str) -> Decay | None:
    """The rule that a text means; None for a text of another kind.

    Args:
        text: "345/2/4" (survivals, births, states), "B2/S345/C4", "B2/S345/4", "g4b2s345", or "MAP..." and "/4"; with Hensel's
            letters, V and H as in `block_table`.

    Raises:
        ValueError: a broken rule; with the part at fault.
    """
    found = _STATES_FIRST.fullmatch(text) or _STATES_LAST.fullmatch(text)
    if not found:
        return None
    table = block_table(found["rule"] + found["end"])
    if table is None:
        return None
    states = int(found["states"])
    if not 2 <= states <= MOST_STATES:
        raise ValueError(f"{states} states are given, and it may have 2 to {MOST_STATES}")
    return Decay(table, states)
