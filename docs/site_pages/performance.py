"""Measured rates: the tables of benchmarks/results, and an overview of them. No figure is written by hand."""

import re
from collections import Counter
from collections.abc import Callable
from functools import partial

from site_pages.folders import RESULTS


def performance_page() -> str:
    """The overview: what was to be reached, as measured, then a line for each page of results."""
    page = """# Performance

Every figure here is read from the files that `make bench` writes, each with the machine that measured it; run it to have those
of your own machine, or `aetheria bench CONFIG` for the rate and the bound of one config. [Plans](stepping.md) explains how a
law is stepped.
"""
    stepping = (RESULTS / "stepping.md").read_text("utf-8")
    page += f"\n## Against the plain loop and CAX\n\n{machine(stepping)}\n\n{_against(stepping)}\n"
    page += "\n## All measurements\n\n"
    for name in results():
        text = (RESULTS / f"{name}.md").read_text("utf-8")
        page += f"- [{titles()[name]}](results/{name}.md): {machine(text)}\n"
    return page


def results() -> list[str]:
    """The names of the pages of results."""
    return sorted(path.stem for path in RESULTS.glob("*.md"))


def result_pages() -> dict[str, Callable[[], str]]:
    """The pages of results as they were written."""
    return {f"results/{name}.md": partial((RESULTS / f"{name}.md").read_text, "utf-8") for name in results()}


def titles() -> dict[str, str]:
    """The headings of the pages of results by name; with the name where several pages have the same."""
    heads = {name: (RESULTS / f"{name}.md").read_text("utf-8").splitlines()[0].removeprefix("# ").strip() for name in results()}
    several = {head for head, count in Counter(heads.values()).items() if count > 1}
    return {name: f"{head} ({name})" if head in several else head for name, head in heads.items()}


def machine(text: str) -> str:
    """The line that names the machine and the versions: the first below the heading."""
    return next(line for line in text.splitlines()[1:] if line.strip()).strip()


def _against(text: str) -> str:
    """The rows that compare with another program: what, and how many times as fast."""
    rows = re.findall(r"^\| (.+?): against (.+?) \|[^|]*\| (\S+) x \|", text, re.MULTILINE)
    lines = ["| law, precision, grid | against | times as fast |", "|---|---|---|"]
    return "\n".join(lines + [f"| {law} | {peer} | {float(ratio):,.4g} |" for law, peer, ratio in rows])
