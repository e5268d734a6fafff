"""Rules that are known by the name of a table of transitions."""

from aetheria.laws.rules.names import TABLES, plain
from aetheria.laws.rules.rule import Rule, notation

SHIPPED = ("WireWorld", "Langtons-Loops", "JvN29", "Nobili32", "Hutton32")  # files of `laws/discrete/tables`
_BY_PLAIN_NAME = {plain(name): name for name in TABLES}


@notation("Rule table", "WireWorld", "Langtons-Loops", "JvN29", "Nobili32", "Hutton32")
def read(text: str) -> Rule | None:
    """A name; `RuleTable` runs the shipped tables, and others from their `.rule` files."""
    name = _BY_PLAIN_NAME.get(plain(text))
    if name in SHIPPED:
        return Rule("Rule table", name, "RuleTable", {"rule": name})
    return None if name is None else Rule("Rule table", name)
