"""Faults happen for real, as often as there is time for; `make soak` makes them happen as often as promised."""

from pathlib import Path

import pytest

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.reliability import FAULTS, report, together


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_what_is_promised_holds_when(fault: Fault) -> None:
    outcome = fault.inflict(fault.few)
    assert outcome.runs >= fault.few
    assert outcome.wrong == []


def test_a_fault_that_comes_out_wrong_is_told() -> None:
    lines, good = report([Fault("rain", "dry", lambda times: Outcome(times, ["wet"]), 3, 9)], full=True)
    assert not good
    assert lines[2] == "| rain | 9 | **1 of 9 wrong** | dry |"
    assert lines[-1] == "- rain: wet"


def test_reports_of_parts_are_put_together_and_what_is_in_none_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first.md", tmp_path / "second.md"
    first.write_text(f"# Title\n\n| fault | times | result | wanted |\n| {FAULTS[0].what} | 3 | **1 of 3 wrong** | good |\n")
    second.write_text("".join(f"| {fault.what} | 9 | as wanted | good |\n" for fault in FAULTS[:-1]))
    lines, good = together([first, second])
    assert lines[2] == f"| {FAULTS[0].what} | 9 | as wanted | good |"
    assert lines[-1] == f"| {FAULTS[-1].what} | 0 | **not made to happen** | {FAULTS[-1].target} |"
    assert (len(lines), good) == (len(FAULTS) + 2, False)
    assert together([second, first])[0][2] == f"| {FAULTS[0].what} | 3 | **1 of 3 wrong** | good |"
