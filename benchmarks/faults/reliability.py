"""Injects faults into runs and recordings, and reports the results.

python -m benchmarks.faults.reliability --full --out docs/reliability.md
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults import (
    calls,
    command_line,
    damage,
    disks,
    ends,
    exits,
    inputs,
    interrupts,
    kills,
    lost_ranks,
    mutated_files,
    readers,
    resumes,
    soak,
    split_kills,
    sweeps,
    two_hosts,
    writers,
)
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import table

_KINDS = (
    kills,
    command_line,
    writers,
    readers,
    disks,
    calls,
    damage,
    mutated_files,
    resumes,
    ends,
    exits,
    interrupts,
    inputs,
    sweeps,
    lost_ranks,
    two_hosts,
    soak,
    split_kills,
)
FAULTS: list[Fault] = [fault for kind in _KINDS for fault in kind.FAULTS]

_HEADER = "fault | runs | result | expected"
_OF_PARTS = "Combined from runs of `python -m benchmarks.faults.reliability --full --only WORDS`, each with some of the faults."


def report(faults: list[Fault], full: bool) -> tuple[list[str], bool]:
    """The table of faults, and whether all results are as expected."""
    rows, wrong = [], []
    for fault in faults:
        result = fault.inject(fault.many if full else fault.few)
        rows.append([fault.name, f"{result.runs:,}", _result(result), fault.expected])
        wrong += [f"- {fault.name}: {line}" for line in result.failures[:10]]
        sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    lines = table(_HEADER, rows)
    return lines + (["", "Unexpected results, at most ten lines for each fault:", "", *wrong] if wrong else []), not wrong


def combine(parts: Sequence[Path]) -> tuple[list[str], bool]:
    """The table combined from reports of some faults each, the last report first; faults in no report are marked."""
    names = {fault.name for fault in FAULTS}
    found: dict[str, list[str]] = {}
    for part in parts:
        rows = (line.strip("| ").split(" | ") for line in part.read_text().splitlines())
        found |= {row[0]: row for row in rows if row[0] in names}
    table_rows = [found.get(fault.name, [fault.name, "0", "**not run**", fault.expected]) for fault in FAULTS]
    return table(_HEADER, table_rows), all(row[2].startswith("as expected") for row in table_rows)


def _result(result: FaultResult) -> str:
    if result.failures:
        return f"**{len(result.failures)} of {result.runs:,} unexpected**"
    return f"as expected; {result.summary}" if result.summary else "as expected"


def main() -> None:
    """Prints the table, writes it to `--out`, and exits with 1 for any unexpected result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--full", action="store_true", help="as many injections as promised; otherwise as many as in the tests")
    parser.add_argument("--only", default="", metavar="WORDS", help="only faults with these words in their name")
    parser.add_argument("--parts", type=Path, nargs="+", help="reports made with --only, to combine; nothing is run")
    wanted = parser.parse_args()
    if wanted.parts:
        lines, good = combine(wanted.parts)
        lines = [_OF_PARTS, "", *lines]
    else:
        lines, good = report([fault for fault in FAULTS if wanted.only in fault.name], wanted.full)
    publish("Faults that runs and recordings survive", lines, wanted.out)
    sys.exit(not good)


if __name__ == "__main__":
    main()
