"""Two-state rules on the block of 3x3 cells: by counts, by Hensel's letters, and MAP rules."""

import re
from dataclasses import dataclass
from functools import partial

from aetheria.laws.rules.block_table import Neighbourhood, counts_table, map_table, table_text
from aetheria.laws.rules.rule import Rule, notation

_COUNTS = "[0-9a-km-z-]*"  # "l" ends the rules on triangles
_LETTERED = re.compile(rf"(?P<first>[bs])(?P<one>{_COUNTS}?)/?(?P<second>[bs])(?P<other>{_COUNTS}?)(?P<end>[vh]?)", re.I)
_PLAIN = re.compile(r"(?P<survivals>[0-9ceaiknjqrytwz-]*)/(?P<births>[0-9ceaiknjqrytwz-]*)(?P<end>[vh]?)", re.I)
_RANGES = re.compile(r"\d-\d|,")  # of families whose counts go beyond 8
_WITH_STATES = re.compile(r"MAP(.{86}|.{22}|.{6})=*/[0-9]{1,3}", re.I)  # a Generations rule
_DIGITS = re.compile(r"B\d*/S\d*")
_HALF = re.compile(r"[bs][0-8]*/?|b[0-8]*/[0-8]+|[0-8]+/s[0-8]*", re.I)
_ENDINGS: dict[str, Neighbourhood] = {"": "", "V": "V", "H": "H"}


@dataclass(frozen=True)
class BlockTable:
    """A two-state rule on the 3x3 block.

    Attributes:
        bits: the next states, as in `block_table`.
        text: the notation in its usual form: "B3/S2-i34q", "B2/S34H", "MAP...". Equal rules have equal texts.
    """

    bits: int
    text: str


def block_table(text: str) -> BlockTable | None:
    """The table of a two-state rule; None for a text of another kind.

    Args:
        text: "B3/S23", "b3s23", "S23/B3", "23/3" (survivals first), with Hensel's letters as in "B2-a/S12", with V (von
            Neumann) or H (hexagonal) after it, or "MAP" and base64.

    Raises:
        ValueError: a broken rule; with the part at fault.
    """
    if _RANGES.search(text) or _WITH_STATES.fullmatch(text):
        return None
    if text[:3].upper() == "MAP":
        bits = map_table(text[3:])
    elif parts := _parts(text):
        bits = counts_table(*parts)
    elif _HALF.fullmatch(text):
        raise ValueError("both births and survivals are needed")
    else:
        return None
    return BlockTable(bits, table_text(bits))


def _parts(text: str) -> tuple[str, str, Neighbourhood] | None:
    """Births, survivals and neighbourhood of a rule by counts."""
    found = _LETTERED.fullmatch(text)
    if found and found["first"].lower() != found["second"].lower():
        pair = {found["first"].lower(): found["one"], found["second"].lower(): found["other"]}
        births, survivals = pair["b"], pair["s"]
    elif (found := _PLAIN.fullmatch(text)) and text != "/":
        births, survivals = found["births"], found["survivals"]
    else:
        return None
    return births.lower(), survivals.lower(), _ENDINGS[found["end"].upper()]


def _family(text: str) -> str:
    if text.startswith("MAP"):
        return "Two states on the 3x3 block"
    if text[-1] in "HV":
        return f"Life-like on the {'hexagonal' if text[-1] == 'H' else 'von Neumann'} neighbourhood"
    return "Life-like" if _DIGITS.fullmatch(text) else "Isotropic non-totalistic"


def _read(family: str, text: str) -> Rule | None:
    table = block_table(text)
    return rule_of(table) if table is not None and _family(table.text) == family else None


def rule_of(table: BlockTable) -> Rule:
    """The rule of a table, which `Life` runs."""
    return Rule(_family(table.text), table.text, "Life", {"rule": table.text})


_EXAMPLES = {
    "Life-like": ("B3/S23", "b3s23", "B3S23", "S23/B3", "s23b3", "23/3"),
    "Isotropic non-totalistic": ("B2-a/S12", "B3/S2-i34q", "2-i34q/3"),
    "Life-like on the hexagonal neighbourhood": ("B2/S34H", "34/2H"),
    "Life-like on the von Neumann neighbourhood": ("B2/S013V", "b1sv"),
    "Two states on the 3x3 block": ("MAPW+5DeYRk63wSsAWgPOBCww",),
}
for _name, _texts in _EXAMPLES.items():
    notation(_name, *_texts)(partial(_read, _name))
