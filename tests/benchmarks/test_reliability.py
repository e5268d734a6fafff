"""Fault injection, a few times each; `make soak` repeats it as often as promised."""

from pathlib import Path

import pytest

from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.reliability import FAULTS, combine, report


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.few], ids=lambda fault: fault.name)
def test_a_fault_has_the_expected_result(fault: Fault) -> None:
    result = fault.inject(fault.few)
    assert result.runs >= fault.few
    assert result.failures == []


def test_unexpected_results_are_listed() -> None:
    lines, good = report([Fault("rain", "dry", lambda times: FaultResult(times, ["wet"]), 3, 9)], full=True)
    assert not good
    assert lines[2] == "| rain | 9 | **1 of 9 unexpected** | dry |"
    assert lines[-1] == "- rain: wet"


def test_reports_of_parts_are_combined_and_missing_faults_are_marked(tmp_path: Path) -> None:
    first, second = tmp_path / "first.md", tmp_path / "second.md"
    first.write_text(
        f"# Title\n\n| fault | runs | result | expected |\n| {FAULTS[0].name} | 3 | **1 of 3 unexpected** | good |\n"
    )
    second.write_text("".join(f"| {fault.name} | 9 | as expected | good |\n" for fault in FAULTS[:-1]))
    lines, good = combine([first, second])
    assert lines[2] == f"| {FAULTS[0].name} | 9 | as expected | good |"
    assert lines[-1] == f"| {FAULTS[-1].name} | 0 | **not run** | {FAULTS[-1].expected} |"
    assert (len(lines), good) == (len(FAULTS) + 2, False)
    assert combine([second, first])[0][2] == f"| {FAULTS[0].name} | 3 | **1 of 3 unexpected** | good |"
