"""Descriptions read from docstrings in Google's style, and tables of them in Markdown."""

import re
from collections.abc import Iterable, Sequence
from inspect import cleandoc


def summary(docstring: str | None) -> str:
    """The text above the first section; its paragraphs are kept."""
    return re.split(r"\n(?:Args|Attributes|Returns|Raises|Yields):\n", "\n" + cleandoc(docstring or "") + "\n")[0].strip()


def described(docstring: str | None, section: str) -> dict[str, str]:
    """The descriptions of a section ("Args", "Attributes") by name; "a, b: ..." describes both."""
    lines = ("\n" + cleandoc(docstring or "")).partition(f"\n{section}:\n")[2].splitlines()
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith("    "):
            break
        start = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if start:
            names = start[1].split(", ")
            found |= dict.fromkeys(names, start[2].strip())
        else:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. Columns that are empty in every row are left out."""
    filled = [list(map(_cell, row)) for row in rows]
    kept = [i for i, _ in enumerate(heads) if any(row[i] for row in filled)]
    lines = [[heads[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in filled)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Text as code; nothing for none."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]  # outside code, Markdown takes "<number>" for HTML
    return "`".join(parts)
