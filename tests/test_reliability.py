"""Faults happen for real, as often as there is time for; `make soak` makes them happen as often as promised."""

import pytest

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.reliability import FAULTS, report


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
