"""Larger than Life and higher-range outer-totalistic rules: births and survivals by counts over any neighbourhood.

Sources: K. M. Evans, "Larger than Life", 1996; Golly's help, "Larger than Life"; LifeWiki, "Higher-range
outer-totalistic rule".
"""

import re
from dataclasses import dataclass

from aetheria.laws.rules.range_weights import GOLLYS_MOST_RANGE, MOST_RANGE, SHAPES, Neighbourhood, check_digits
from aetheria.laws.rules.rule import Rule, notation

FAMILY = "Larger than Life"
MOST_STATES = 256
Counts = tuple[tuple[int, int], ...]  # ranges (lowest, highest), in ascending order, apart from each other
_HEAD = re.compile(r"R(\d{1,9}),C(\d{1,9}),", re.I)
_LISTS = re.compile(r"S([\d,-]*),B([\d,-]*)(?:,N(.+))?", re.I)
_RANGES = re.compile(r"M([01]),S(\d{1,9})\.\.(\d{1,9}),B(\d{1,9})\.\.(\d{1,9})(?:,N(.+))?", re.I)
_NUMBERS = re.compile(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})")
_SHAPE = re.compile(r"([@W])([0-9a-f]+)(?:,([0-9a-f]+))?([hl]?)|([^@W])", re.I)
_TRIANGLES = re.compile(r"B([\dxyz]*)/?S([\dxyz]*)L|([\dxyz]*)/([\dxyz]*)L", re.I)
_BEYOND_NINE = {"x": "10", "y": "11", "z": "12"}


@dataclass(frozen=True)
class RangeRule:
    """A rule by counts.

    Attributes:
        reach: the range of the neighbourhood.
        states: number of states; cells of state 2 and more decay.
        survivals, births: counts, without the middle cell unless the neighbourhood's weights count it.
        neighbourhood: the cells that count.
    """

    reach: int
    states: int
    survivals: Counts
    births: Counts
    neighbourhood: Neighbourhood

    @property
    def text(self) -> str:
        """As in "R5,C0,S33-57,B34-45": C0 for two states, no N for the Moore neighbourhood."""
        states = 0 if self.states == 2 else self.states
        shape = "" if self.neighbourhood.text == "M" else f",N{self.neighbourhood.text}"
        return f"R{self.reach},C{states},S{_listed(self.survivals)},B{_listed(self.births)}{shape}"


@notation(FAMILY, "R5,C0,M1,S34..58,B34..45,NM", "R2,C2,S2-3,B3,NN", "5,34,45,34,58", "R3,C2,S7-12,20,B8,12,N2", "B4/S345L")
def read(text: str) -> Rule | None:
    """A rule by counts over a neighbourhood."""
    rule = range_rule(text)
    return None if rule is None else Rule(FAMILY, rule.text, "LargerThanLife", {"rule": rule.text})


def range_rule(text: str) -> RangeRule | None:
    """The rule that a text means; None for a text of another kind.

    Args:
        text: "R5,C0,M1,S34..58,B34..45,NM" (M1: survivals count the middle cell too), "R2,C2,S2-3,5,B3,NN", "5,34,45,34,58"
            (range, births, survivals; the middle cell is counted), or "B4/S345L" on triangles.

    Raises:
        ValueError: a broken rule; with the part at fault.
    """
    if found := _TRIANGLES.fullmatch(text):
        births, survivals = (found[1], found[2]) if found[3] is None else (found[4], found[3])
        return _checked(1, 2, _of_digits(survivals), _of_digits(births), Neighbourhood("L"))
    if found := _NUMBERS.fullmatch(text):
        reach, low, high, least, most = map(int, found.groups())
        return _checked(reach, 2, _without_middle(least, most), ((low, high),), Neighbourhood())
    head = _HEAD.match(text)
    if head is None:
        if re.match(r"R\d", text, re.I):
            raise ValueError("after R and the range comes C and the number of states, as in R5,C2")
        return None
    reach, states, rest = int(head[1]), max(2, int(head[2])), text[head.end() :]
    if found := _RANGES.fullmatch(rest):
        least, most = int(found[2]), int(found[3])
        survivals = _without_middle(least, most) if found[1] == "1" else ((least, most),)
        return _checked(reach, states, survivals, ((int(found[4]), int(found[5])),), _shape(found[6], reach))
    if found := _LISTS.fullmatch(rest):
        return _checked(reach, states, _ranges(found[1], "S"), _ranges(found[2], "B"), _shape(found[3], reach))
    raise ValueError("after R and C come M0 or M1 and S and B with .. between two counts, or lists S2-3,5,B3 and N and a shape")


def _checked(reach: int, states: int, survivals: Counts, births: Counts, shape: Neighbourhood) -> RangeRule:
    largest = MOST_RANGE.get(shape.letter, GOLLYS_MOST_RANGE)
    if not 1 <= reach <= largest:
        raise ValueError(f"the range is {reach}, and may be 1 to {largest}")
    if states > MOST_STATES:
        raise ValueError(f"{states} states are given, and it may have 2 to {MOST_STATES}")
    if shape.states and len(shape.states) != states:
        raise ValueError(f"{len(shape.states)} weights of states are given for {states} states")
    most = shape.most(reach)
    for name, ranges in (("survivals", survivals), ("births", births)):
        for low, high in ranges:
            if low > high:
                raise ValueError(f"{name} from {low} to {high}; expected the lower count first")
            if high > most + 1:  # patterns in use count the middle cell once too often
                raise ValueError(f"{name} up to {high}; this neighbourhood has counts up to {most}")
    return RangeRule(reach, states, _merged(survivals, most), _merged(births, most), shape)


def _shape(text: str | None, reach: int) -> Neighbourhood:
    if text is None:
        return Neighbourhood()
    found = _SHAPE.fullmatch(text)
    if not found or (found[5] or found[1]).upper() not in SHAPES:
        raise ValueError(f"the neighbourhood N{text[:20]} is none; expected N and one of {' '.join(SHAPES)}")
    if found[5]:
        return Neighbourhood(found[5].upper())
    letter, digits = found[1].upper(), found[2].lower()
    check_digits(letter, digits, min(reach, GOLLYS_MOST_RANGE))
    return Neighbourhood(letter, digits, (found[3] or "").lower(), found[4].upper())


def _ranges(text: str, name: str) -> Counts:
    """Counts and ranges of counts, separated by commas."""
    found = []
    for part in text.split(",") if text else ():
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > 19:
            raise ValueError(f'{name}{text[:40]} is no list of counts, as in "{name}2-3,5"')
        found.append((int(low), int(high if dash else low)))
    return tuple(found)


def _of_digits(text: str) -> Counts:
    counts = [int(_BEYOND_NINE.get(digit, digit)) for digit in text.lower()]
    return tuple((count, count) for count in counts)


def _without_middle(least: int, most: int) -> Counts:
    """Survivals that count the middle cell, as counts of the others."""
    return ((max(0, least - 1), most - 1),) if most else ()


def _merged(ranges: Counts, most: int) -> Counts:
    """The ranges in ascending order, those that touch as one, without counts that cannot come."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted((low, min(high, most)) for low, high in ranges if low <= most):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _listed(ranges: Counts) -> str:
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
