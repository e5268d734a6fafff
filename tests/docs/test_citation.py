"""CITATION.cff: of this version, with the keys that its format requires."""

import re

from aetheria import __version__
from tests.paths import ROOT


def test_the_citation_is_of_this_version_and_licence() -> None:
    found = dict(re.findall(r"^(\S[^:]*): *(.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert found["version"] == __version__
    assert found["license"] in (ROOT / "pyproject.toml").read_text("utf-8")
