"""Notations of two-state rules on the 3x3 block, and of Generations rules, which are two-state rules with decaying cells."""

import re
from dataclasses import dataclass

from aetheria.core.errors import ConfigError
from aetheria.laws.discrete.block_table import Neighbourhood, counts_table, map_table, table_text

EXPECTED = 'expected counts as in "B3/S23" or "23/3", with letters as in "B2-a/S12", V or H after them, or MAP and base64'
_COUNTS = r"[0-8a-z-]*"
_PATTERNS = {
    "lettered": re.compile(rf"(?P<first>[bs])(?P<one>{_COUNTS}?)/?(?P<second>[bs])(?P<other>{_COUNTS}?)(?P<end>[vh]?)", re.I),
    "plain": re.compile(rf"(?P<survivals>{_COUNTS}?)/(?P<births>{_COUNTS}?)(?P<end>[vh]?)", re.I),
}
_STATES = re.compile(r"(?P<rule>.+)/[cg]?(?P<states>\d{1,9})(?P<end>[vh]?)", re.I)
_STATES_FIRST = re.compile(r"[cg](?P<states>\d{1,9})/?(?P<rule>b.*)", re.I)
_STATES_OF_MAP = re.compile(r"(?P<rule>MAP[A-Za-z0-9+/]*=*?)/(?P<states>\d{1,3})")


@dataclass(frozen=True)
class TwoStateRule:
    """A rule on the 3x3 block.

    Attributes:
        table: 512 bits, as in `block_table`.
        text: the notation, in its usual form: "B3/S2-i34q", "B2/S34H", "MAP...".
    """

    table: int
    text: str


def two_state_rule(text: str, where: str) -> TwoStateRule:
    """The rule that a text means.

    Args:
        text: "B3/S23", "b3s23", "S23/B3", "23/3" (survivals first), with Hensel's letters, with V (von Neumann) or H
            (hexagonal) after it, or "MAP" and base64.
        where: of messages.

    Raises:
        ConfigError: it is no such rule; with the place where it broke.
    """
    if not isinstance(text, str):
        raise ConfigError(f"{where}: {text!r} given; {EXPECTED}")
    if text[:3].upper() == "MAP":
        table = map_table(text[3:], where)
        return TwoStateRule(table, table_text(table))
    births, survivals, neighbourhood = _parts(text, where)
    table = counts_table(births, survivals, neighbourhood, where)
    if not neighbourhood:
        return TwoStateRule(table, table_text(table))
    return TwoStateRule(table, f"B{_sorted(births)}/S{_sorted(survivals)}{neighbourhood}")


def generations_rule(text: str, where: str) -> tuple[TwoStateRule, int]:
    """The two-state rule of a Generations rule, and its number of states.

    Args:
        text: "345/2/4" (survivals, births, states), "B2/S345/C4", "B2/S345/4", "g4b2s345"; V or H, Hensel's letters or MAP as in
            `two_state_rule`.

    Raises:
        ConfigError: it is no such rule, or has fewer than 2 or more than 256 states.
    """
    found = next((match for each in (_STATES_OF_MAP, _STATES_FIRST, _STATES) if (match := each.fullmatch(text))), None)
    if found is None:
        raise ConfigError(f'{where}: "{text}" given; expected survivals/births/states as in "345/2/4", or "B2/S345/C4"')
    states = int(found["states"])
    if not 2 <= states <= 256:
        raise ConfigError(f'{where}: "{text}" has {states} states; expected 2 to 256')
    return two_state_rule(found["rule"] + found.groupdict().get("end", ""), where), states


def generations_text(rule: TwoStateRule, states: int) -> str:
    """The usual notation of a Generations rule: "B2/S345/4"; V and H come last, as in "B2/S3/4V"."""
    if rule.text.startswith("MAP"):
        return f"{rule.text}/{states}"
    ending = rule.text[-1] if rule.text[-1] in "VH" else ""
    return f"{rule.text.removesuffix(ending)}/{states}{ending}"


def _parts(text: str, where: str) -> tuple[str, str, Neighbourhood]:
    """Births, survivals and neighbourhood of a rule by counts."""
    found = _PATTERNS["lettered"].fullmatch(text)
    if found and found["first"].lower() != found["second"].lower():
        pair = {found["first"].lower(): found["one"], found["second"].lower(): found["other"]}
        births, survivals = pair["b"], pair["s"]
    else:
        found = _PATTERNS["plain"].fullmatch(text)
        if not found or found[1][:1].lower() in ("b", "s"):
            raise ConfigError(f'{where}: "{text}" given; {EXPECTED}')
        births, survivals = found["births"], found["survivals"]
    neighbourhood: Neighbourhood = "V" if found["end"].upper() == "V" else "H" if found["end"] else ""
    return births.lower(), survivals.lower(), neighbourhood


def _sorted(counts: str) -> str:
    return "".join(sorted(set(counts)))
