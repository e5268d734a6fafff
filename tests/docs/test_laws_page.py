"""The page on laws: a row for each, whose ranks and boundaries are the law's own."""

import re
from contextlib import nullcontext
from itertools import pairwise

import pytest

from aetheria.core.errors import ConfigError
from aetheria.laws import LAWS, build_law, parameters
from aetheria.laws.rules import NOTATIONS, read_rule
from tests.paths import ROOT
from tests.small_laws import SMALL, boundaries

PAGE = (ROOT / "docs" / "laws.md").read_text("utf-8")
ROWS = {
    found[1]: [cell.strip() for cell in found[0].strip("|").split("|")]
    for found in re.finditer(r"^\| `(\w+)` \|.*$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.__module__.startswith("aetheria.")])
def test_every_law_has_a_row_with_its_ranks_and_boundaries(name: str) -> None:
    row = ROWS[name]
    ranks, edges = next(pair for pair in pairwise(row) if re.match(r"[123]( [123])*(,|$)", pair[0]))
    assert tuple(map(int, re.findall(r"\b[123]\b", ranks))) == LAWS[name].ranks
    if edges == "as the rule":
        return
    plain, _, joined = edges.partition(", ")
    assert sorted(plain.split()) == sorted(boundary[0] for boundary in boundaries(name))
    surfaces = {
        "": (),
        "joined edges": ("periodic-x+4", "klein-x", "sphere"),
        "joined edges but the sphere": ("periodic-x+4", "klein-x"),
        "torus with a shift": ("periodic-x+4",),
    }[joined]
    for surface in ("periodic-x+4", "klein-x", "sphere"):
        stated = surface in surfaces
        if "boundary" in parameters(LAWS[name]):
            with nullcontext() if stated else pytest.raises(ConfigError, match="boundary"):
                build_law(name, **{**SMALL.get(name, {}), "boundary": surface})


def test_the_notations_of_the_page_build_the_laws_that_it_names() -> None:
    table = PAGE.partition("## Rule texts")[2].partition("## Discrete")[0]
    for line in re.findall(r"^\| (?!family|-)(.*) \|$", table, re.MULTILINE):
        _, texts, law = line.split(" | ")
        for text in re.findall(r"`([^`]+)`", texts):
            if "n,k,r" not in text and "..." not in text:
                assert f"`{read_rule(text).law}`" == law, text
    assert len(NOTATIONS) > 5
