"""Reversible second-order rules: R after the number of an elementary rule."""

import re

from aetheria.laws.rules.rule import Rule, notation

_REVERSIBLE = re.compile(r"W(\d{1,100})R", re.IGNORECASE)


@notation("Second-order", "W150R")
def _read(text: str) -> Rule | None:
    """As in S. Wolfram, "A New Kind of Science", 2002, chapter 9: rule 150R."""
    found = _REVERSIBLE.fullmatch(text)
    if found is None:
        return None
    if int(found[1]) > 255:
        raise ValueError("its number is above 255")
    inner = f"W{int(found[1])}"
    return Rule("Second-order", f"{inner}R", "SecondOrder", {"rule": inner})
