"""Families of rules that are recognised by their notation and have no law yet.

Whoever adds the law of a family moves its entry into a module of its own, which gives `Rule.law` and `Rule.settings`.
"""

import re
from functools import partial

from aetheria.laws.rules.rule import Reader, Rule, notation

_LIST = r"(?:\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)?"  # counts above 9 need commas

# By family: its notation, and examples.
_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Elementary": (r"W\d+", ("W110",)),
    "Life in three dimensions": (
        rf"(?=.*\d[,-]\d)B{_LIST}/S{_LIST}",
        ("B5/S4,5", "B5-7/S6", "B6/S5,6,7"),
    ),
    "Margolus": (r"M?S?,?D?\d+(?:[;,]\d+){15}", ("MS,D0;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15",)),
}


def _recognised(family: str, pattern: re.Pattern[str], text: str) -> Rule | None:
    return Rule(family, text) if pattern.fullmatch(text) else None


for _family, (_pattern, _examples) in _FAMILIES.items():
    _read: Reader = partial(_recognised, _family, re.compile(_pattern, re.IGNORECASE))
    notation(_family, *_examples)(_read)
