"""Makes everything happen to runs that may happen to them, and tells what came of it.

python -m benchmarks.reliability --full --out docs/reliability.md
"""

import argparse
import sys
from pathlib import Path

from benchmarks.faults import damage, disks, inputs, kills, readers, resumes, soak, writers
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.machine import publish
from benchmarks.tables import table

FAULTS: list[Fault] = [
    fault for kind in (kills, writers, readers, disks, damage, resumes, inputs, soak) for fault in kind.FAULTS
]


def report(faults: list[Fault], full: bool) -> tuple[list[str], bool]:
    """The table of faults, and whether each came out as it must."""
    rows, wrong = [], []
    for fault in faults:
        outcome = fault.inflict(fault.many if full else fault.few)
        rows.append([fault.what, f"{outcome.runs:,}", _result(outcome), fault.target])
        wrong += [f"- {fault.what}: {line}" for line in outcome.wrong[:10]]
        sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    lines = table("fault | times | result | wanted", rows)
    return lines + (["", "What went wrong, at most ten lines each:", "", *wrong] if wrong else []), not wrong


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
    wanted = parser.parse_args()
    lines, good = report([fault for fault in FAULTS if wanted.only in fault.what], wanted.full)
    publish("What runs and recordings survive", lines, wanted.out)
    sys.exit(not good)


if __name__ == "__main__":
    main()
