"""Life-like rules: births and survivals by the number of live cells among the eight neighbours."""

import re
from collections.abc import Iterable

from aetheria.laws.rules.rule import Rule, notation

FAMILY = "Life-like"
_BIRTH_FIRST = re.compile(r"B(\d*)/?S(\d*)", re.IGNORECASE)
_SURVIVAL_FIRST = re.compile(r"S(\d*)/?B(\d*)", re.IGNORECASE)
_DIGITS = re.compile(r"(\d*)/(\d*)")  # survival/birth
_BROKEN = re.compile(r"B\d*/?|S\d*/?|B\d*/\d+|\d+/S\d*", re.IGNORECASE)


@notation(FAMILY, "B3/S23", "b3s23", "B3S23", "S23/B3", "s23b3", "23/3")
def read(text: str) -> Rule | None:
    """B/S and S/B, in any case, with or without the slash, and survival/birth in digits."""
    if text == "/":
        return None
    if found := _BIRTH_FIRST.fullmatch(text):
        return life_like(found[1], found[2])
    if found := _SURVIVAL_FIRST.fullmatch(text) or _DIGITS.fullmatch(text):
        return life_like(found[2], found[1])
    if _BROKEN.fullmatch(text):
        raise ValueError("both births and survivals are needed")
    return None


def life_like(birth: Iterable[str], survival: Iterable[str]) -> Rule:
    """The rule with these neighbour counts, digits in any order.

    Raises:
        ValueError: a digit above 8.
    """
    born, stays = (sorted(set(map(int, counts))) for counts in (birth, survival))
    if 9 in (*born, *stays):
        raise ValueError("a cell has 8 neighbours, not 9")
    text = f"B{''.join(map(str, born))}/S{''.join(map(str, stays))}"
    return Rule(FAMILY, text, "Life", {"rule": text})
