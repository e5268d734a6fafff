"""Reads rule texts of any family, and builds their laws."""

import re
from dataclasses import replace
from typing import Any

from aetheria.core.errors import ConfigError, nearest
from aetheria.laws.base import Law
from aetheria.laws.registry import build_law
from aetheria.laws.rules.bounded_grid import read_bounded_grid
from aetheria.laws.rules.names import BY_PLAIN_NAME, NAMES, TABLES, plain
from aetheria.laws.rules.rule import NOTATIONS, Rule

WANTED = 'expected a rule, as in "B3/S23", or a name, as in "HighLife"'
_FILE_NAME = re.compile(r"(?i)^(b[\da-z-]*)_(s[\da-z-]*)$")  # "B3_S23-a4ei6": a rule as the name of a file has it
_LONGEST = 100_000  # characters of a rule text


class BrokenRuleError(ConfigError):
    """A text that looks like a rule of a known family, and is none."""


def read_rule(text: str, where: str = "rule", wanted: str = WANTED) -> Rule:
    """The rule that a text names: of any family, in any notation, or by name; with or without a bounded grid.

    Args:
        text: as in "B3/S23", "23/3", "HighLife" or "B3/S23:T30,20".
        where: place of the text, for errors.
        wanted: the texts that are expected, for errors.

    Raises:
        ConfigError: no family knows the text. BrokenRuleError: it is a broken rule of one; the message says which.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ConfigError(f"{where}: {_short(text)} given; {wanted}")
    body, colon, suffix = text.strip().partition(":")
    try:
        grid = read_bounded_grid(suffix) if colon else None
        rule = _read(BY_PLAIN_NAME.get(plain(body), _FILE_NAME.sub(r"\1/\2", "".join(body.split()))))
    except ValueError as error:
        raise BrokenRuleError(f"{where}: {_short(text)} given; {wanted}; {error}") from None
    if rule is None:
        known = nearest(body, [*NAMES, *TABLES]).partition(" (")[0]
        guess = f"; {known}" if known.startswith("did you mean") else ""
        raise ConfigError(f"{where}: {_short(text)} given; {wanted}{guess}")
    return replace(rule, grid=grid)


def rule_for(law: str, text: str, wanted: str) -> Rule:
    """The rule that a text names, where the registered law of this name runs it; without a bounded grid.

    Args:
        wanted: the texts that are expected, for errors.

    Raises:
        ConfigError: it is no rule, one of another family, or one with a bounded grid, which is a setting of its own.
    """
    where = f"[law.{law.lower()}] rule"
    rule = read_rule(text, where, wanted)
    if rule.law != law:
        raise ConfigError(f'{where}: "{text}" given; {wanted}; it is a rule of another family: {rule.family}')
    if rule.grid is not None:
        raise ConfigError(f'{where}: "{text}" given; {wanted}; the grid and its boundary are settings of their own')
    return rule


def _read(text: str) -> Rule | None:
    for family in NOTATIONS.values():
        try:
            rule = family.read(text)
        except ValueError as error:
            raise ValueError(f"it looks {_like(family.family)}, but {error}") from None
        if rule is not None:
            return rule
    return None


def same_rule(one: str, other: str) -> bool:
    """Whether two texts name the same rule, whatever their notation and bounded grid; False where one cannot be read."""
    try:
        return replace(read_rule(one), grid=None) == replace(read_rule(other), grid=None)
    except ConfigError:
        return False


def law_from_rule(text: str, *, seed: int = 0, **settings: Any) -> Law:
    """Builds the law that a rule text names.

    Args:
        text: see `read_rule`. A plane as bounded grid gives the law boundary "zero", a torus "periodic"; the size of the grid
            is `read_rule(text).grid`.
        seed: see `build_law`.
        settings: more parameters of the law.

    Raises:
        ConfigError: the text is no rule, no law runs it yet, or its bounded grid is of a kind that the law does not have.
    """
    rule = read_rule(text)
    if rule.law is None:
        raise ConfigError(f"rule {rule.text}: {rule.family}; no law of Aetheria runs it yet")
    if rule.grid is not None:
        if rule.grid.boundary is None:
            raise ConfigError(f"rule {rule}: a {rule.grid}; {rule.law} has no such boundary yet")
        if settings.setdefault("boundary", rule.grid.boundary) != rule.grid.boundary:
            raise ConfigError(f'boundary: "{settings["boundary"]}" given with rule {rule}, a {rule.grid}')
    law = build_law(rule.law, seed=seed, **{**rule.settings, **settings})
    assert isinstance(law, Law)
    return law


def _like(family: str) -> str:
    return family if family.endswith("-like") else f"like {family}"


def _short(text: object) -> str:
    shown = text if isinstance(text, str) else repr(text)
    return f'"{shown}"' if len(shown) <= 200 else f'"{shown[:197]}..."'
