"""The README: its links lead somewhere, it has what a newcomer needs, and its figures are measured ones."""

import re

import pytest
from site_pages.performance import performance_page

from tests.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_what_the_readme_links_to_exists(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_readme_has_a_picture_two_commands_three_ways_and_where_to_go_next() -> None:
    assert "![" in README.partition("## ")[0]
    commands = README.partition("## Two commands")[2].partition("## ")[0]
    assert [line.split("#")[0].strip() for line in commands.splitlines() if line.startswith("make ")] == [
        "make run",
        "make test",
    ]
    assert "pip install -c constraints.txt ." in commands
    ways = README.partition("## Three ways of use")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.*)", ways, re.MULTILINE)[-1] == "In a desktop viewer"
    assert len(re.findall(r"^### ", ways, re.MULTILINE)) == 3
    assert "docs/start.md" in README.partition("## Where next")[2]


def test_the_speeds_in_the_readme_are_those_of_the_results() -> None:
    table = README.partition("## Speed")[2].partition("\n## ")[0]
    shown = [
        number
        for row in re.findall(r"^\|.*\| ([\d.,]+(?: and [\d.,]+)?) \|$", table, re.MULTILINE)
        for number in row.split(" and ")
    ]
    measured = re.findall(r"\| ([\d.,]+) \|$", performance_page(), re.MULTILINE)
    assert len(shown) >= 5
    assert set(shown) <= set(measured)
