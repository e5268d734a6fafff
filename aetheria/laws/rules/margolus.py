"""Rules on the Margolus neighbourhood in MCell's notation."""

import re

from aetheria.laws.rules.rule import Rule, notation

_TABLE = re.compile(r"(?:M?S,)?D?(\d+(?:[;,]\d+){15})", re.IGNORECASE)


@notation("Margolus", "MS,D0;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15")
def read(text: str) -> Rule | None:
    """The next block, 0 to 15, of each block a + 2 b + 4 c + 8 d of cells (a b / c d)."""
    found = _TABLE.fullmatch(text)
    if found is None:
        return None
    blocks = [int(number) for number in re.split("[;,]", found[1]) if len(number) < 9]
    if len(blocks) < 16 or max(blocks) > 15:
        raise ValueError("a block has a number from 0 to 15")
    rule = "MS,D" + ";".join(map(str, blocks))
    return Rule("Margolus", rule, "Margolus", {"rule": rule})
