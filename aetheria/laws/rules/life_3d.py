"""Life in three dimensions: births and survivals by lists of neighbour counts up to 26."""

import re
from collections.abc import Iterable

from aetheria.laws.rules.rule import Rule, notation

FAMILY = "Life in three dimensions"
NEIGHBOURS = 26
_ITEM = r"\d{1,3}(?:(?:-|\.\.)\d{1,3})?"
_LISTS = re.compile(rf"B((?:{_ITEM},?)*)/S((?:{_ITEM},?)*)", re.IGNORECASE)
_OWN = re.compile(r"\d(?:[,-]|\.\.)\d")  # otherwise the text is a rule of two dimensions


@notation(FAMILY, "B5/S4,5", "B5-7/S6", "B6/S5,6,7")
def read(text: str) -> Rule | None:
    """Lists with commas or ranges: without either the text is a rule of two dimensions."""
    if len(text) > 1000 or not _OWN.search(text) or not _LISTS.fullmatch(text):
        return None
    rule = written(*read_lists(text, NEIGHBOURS))
    return Rule(FAMILY, rule, "Life3D", {"rule": rule})


def read_lists(text: str, most: int) -> tuple[frozenset[int], frozenset[int]]:
    """The neighbour counts for birth and for survival in "B<list>/S<list>", lists as "4,5" or "5-7".

    Raises:
        ValueError: the text is not of that form, or a number is above `most`.
    """
    found = _LISTS.fullmatch("".join(text.split())) if isinstance(text, str) and len(text) <= 1000 else None
    if found is None:
        raise ValueError("the lists hold numbers and ranges with commas between")
    return _counts(found[1], most), _counts(found[2], most)


def _counts(text: str, most: int) -> frozenset[int]:
    counts: set[int] = set()
    for part in filter(None, text.split(",")):
        ends = [int(end) for end in re.split(r"-|\.\.", part)]
        if ends[-1] > most:
            raise ValueError(f"a cell has {most} neighbours, not {ends[-1]}")
        if ends[0] > ends[-1]:
            raise ValueError(f"the range {part} is empty")
        counts |= set(range(ends[0], ends[-1] + 1))
    return frozenset(counts)


def written(birth: Iterable[int], survival: Iterable[int]) -> str:
    """The rule with these neighbour counts, with every count written out."""
    born, stays = (",".join(map(str, sorted(counts))) for counts in (birth, survival))
    text = f"B{born}/S{stays}"
    if _OWN.search(text) or not (born or stays):
        return text
    # A range marks it as a rule of three dimensions.
    return f"B{born}-{born}/S{stays}" if born else f"B/S{stays}-{stays}"
