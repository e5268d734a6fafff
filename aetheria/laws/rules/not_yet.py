"""Families of rules that are recognised by their notation and have no law yet.

Whoever adds the law of a family moves its entry into a module of its own, which gives `Rule.law` and `Rule.settings`.
"""

import re
from functools import partial

from aetheria.laws.rules.life_like import life_like
from aetheria.laws.rules.names import TABLE_BY_PLAIN_NAME, plain
from aetheria.laws.rules.rule import Reader, Rule, notation

_COUNTS = "[0-8cekainyqjrtwz-]*"  # Hensel letters: counts with the letters of their arrangements
_LIST = r"(?:\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)?"  # counts above 9 need commas
_BIRTH_SURVIVAL = rf"B{_COUNTS}/?S{_COUNTS}|S{_COUNTS}/?B{_COUNTS}|{_COUNTS}/{_COUNTS}"
_TWO_STATES = re.compile(r"(\d*)/(\d*)/0*2")

# By family: its notation, and examples.
_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Larger than Life": (r"R\d+,.*|\d+,\d+,\d+,\d+,\d+", ("R5,C0,M1,S34..58,B34..45,NM", "R2,C2,S2-3,B3,NN", "5,34,45,34,58")),
    "MAP": (r"MAP[A-Za-z0-9+/]+=*", ("MAPW+5DeYRk63wSsAWgPOBCww",)),
    "Elementary": (r"W\d+", ("W110",)),
    "Life in three dimensions": (
        rf"(?=.*\d[,-]\d)B{_LIST}/S{_LIST}",
        ("B5/S4,5", "B5-7/S6", "B6/S5,6,7"),
    ),
    "Isotropic non-totalistic": (
        rf"(?=.*\d-?[cekainyqjrtwz])(?:{_BIRTH_SURVIVAL})",
        ("B2-a/S12", "B3/S2-i34q", "2-i34q/3"),
    ),
    "Life-like on the hexagonal neighbourhood": (r"(?:B\d*/?S\d*|S\d*/?B\d*|\d*/\d*)H", ("B2/S34H", "34/2H")),
    "Life-like on the von Neumann neighbourhood": (r"(?:B\d*/?S\d*|S\d*/?B\d*|\d*/\d*)V", ("B2/S013V", "b1sv")),
    "Life-like on triangles": (r"(?:B[\dXYZ]*/?S[\dXYZ]*|[\dXYZ]*/[\dXYZ]*)L[A-Z]?", ("B4/S2345L",)),
    "Margolus": (r"M?S?,?D?\d+(?:[;,]\d+){15}", ("MS,D0;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15",)),
}


def _recognised(family: str, pattern: re.Pattern[str], text: str) -> Rule | None:
    return Rule(family, text) if pattern.fullmatch(text) else None


for _family, (_pattern, _examples) in _FAMILIES.items():
    _read: Reader = partial(_recognised, _family, re.compile(_pattern, re.IGNORECASE))
    notation(_family, *_examples)(_read)

_GENERATIONS = re.compile(
    rf"{_COUNTS}/{_COUNTS}/\d+[HVL]?|(?:{_BIRTH_SURVIVAL})/[CG]?\d+[HVL]?|g\d+(?:{_BIRTH_SURVIVAL})[HVL]?", re.IGNORECASE
)


@notation("Generations", "345/2/4", "/2/3", "B2/S345/C4", "g4b2s345")
def _generations(text: str) -> Rule | None:
    if found := _TWO_STATES.fullmatch(text):  # two states: no dying ones
        return life_like(found[2], found[1])
    return Rule("Generations", text) if _GENERATIONS.fullmatch(text) else None


@notation("Rule table", "WireWorld", "JvN29")
def _table(text: str) -> Rule | None:
    known = TABLE_BY_PLAIN_NAME.get(plain(text))
    return Rule("Rule table", known) if known else None
