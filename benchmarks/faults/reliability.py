"""Makes everything happen to runs that may happen to them, and tells what came of it.

python -m benchmarks.faults.reliability --full --out docs/reliability.md
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults import damage, disks, ends, inputs, kills, readers, resumes, soak, writers
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import table

FAULTS: list[Fault] = [
    fault for kind in (kills, writers, readers, disks, damage, resumes, ends, inputs, soak) for fault in kind.FAULTS
]

_HEADER = "fault | times | result | wanted"
_OF_PARTS = (
    "Put together from runs of `python -m benchmarks.faults.reliability --full --only WORDS`, each of some of the faults."
)


def report(faults: list[Fault], full: bool) -> tuple[list[str], bool]:
    """The table of faults, and whether each came out as it must."""
    rows, wrong = [], []
    for fault in faults:
        outcome = fault.inflict(fault.many if full else fault.few)
        rows.append([fault.what, f"{outcome.runs:,}", _result(outcome), fault.target])
        wrong += [f"- {fault.what}: {line}" for line in outcome.wrong[:10]]
        sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    lines = table(_HEADER, rows)
    return lines + (["", "What went wrong, at most ten lines each:", "", *wrong] if wrong else []), not wrong


def together(parts: Sequence[Path]) -> tuple[list[str], bool]:
    """The table put together from reports of some faults each, later ones first; faults that are in none are said not to be."""
    names = {fault.what for fault in FAULTS}
    found: dict[str, list[str]] = {}
    for part in parts:
        rows = (line.strip("| ").split(" | ") for line in part.read_text().splitlines())
        found |= {row[0]: row for row in rows if row[0] in names}
    table_rows = [found.get(fault.what, [fault.what, "0", "**not made to happen**", fault.target]) for fault in FAULTS]
    return table(_HEADER, table_rows), all(row[2].startswith("as wanted") for row in table_rows)


def _result(outcome: Outcome) -> str:
    if outcome.wrong:
        return f"**{len(outcome.wrong)} of {outcome.runs:,} wrong**"
    return f"as wanted; {outcome.found}" if outcome.found else "as wanted"


def main() -> None:
    """Prints the table, writes it where `--out` says, and ends with 1 if anything came out as it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--full", action="store_true", help="as often as promised; otherwise as often as in the tests")
    parser.add_argument("--only", default="", metavar="WORDS", help="only faults with these words in their name")
    parser.add_argument("--parts", type=Path, nargs="+", help="reports made by --only, to be put together; nothing is run")
    wanted = parser.parse_args()
    if wanted.parts:
        lines, good = together(wanted.parts)
        lines = [_OF_PARTS, "", *lines]
    else:
        lines, good = report([fault for fault in FAULTS if wanted.only in fault.what], wanted.full)
    publish("What runs and recordings survive", lines, wanted.out)
    sys.exit(not good)


if __name__ == "__main__":
    main()
