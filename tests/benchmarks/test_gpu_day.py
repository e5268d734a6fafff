"""The script for the first day with a GPU, on the CPU at small sizes; and its end at the time limit."""

import sys
import time

import pytest
import torch

from aetheria.diagnostics import bench
from benchmarks.gpu_day import __main__ as day
from benchmarks.gpu_day import worker
from benchmarks.gpu_day.entries import COLUMNS, TINY, Sizes, entries

COLUMN_COUNT = len(COLUMNS.split("|"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CEILING_S", 0.01)
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)


def test_the_day_measures_each_law_on_three_grids_in_three_precisions_and_the_rest() -> None:
    names = list(entries(Sizes(), "cuda"))
    for side in (256, 1024, 4096):
        for law in ("MLP", "DEEP_QCA", "UNet", "ConvLSTM", "GrowingNCA"):
            assert {f"{law} {side} {precision}" for precision in ("fp32", "tf32", "bf16")} <= set(names)
        assert {f"Life {side} fp32", f"Lenia {side} fp32"} <= set(names)
    for start in ("ceilings", "packed Life", "states: JvN29", "states: square R10", "loop", "replay", "watched", "batch"):
        assert any(name.startswith(start) for name in names)
    assert {f"loop GrowingNCA 1024 clean-up {interval}" for interval in (0, 100)} <= set(names)


@pytest.mark.parametrize(
    "name",
    [
        "ceilings fp32",
        "MLP 32 fp32",
        "Lenia 32 fp32",
        "packed Life 64",
        "states: Elementary 30",
        "states: square R3",
        "loop Life 32 clean-up 100",
        "replay GrowingNCA",
        "batch MLP",
    ],
)
def test_an_entry_is_a_line_of_the_table(name: str) -> None:
    line = worker.measure(name, TINY, "cpu")
    assert line[0] == name
    assert len(line) == COLUMN_COUNT
    assert "FAILED" not in line[-1]


def test_an_entry_that_fails_says_why_in_its_line() -> None:
    line = worker.measure("no such entry", TINY, "cpu")
    assert len(line) == COLUMN_COUNT
    assert line[-1].startswith("FAILED: KeyError")


def test_the_day_ends_at_its_limit_with_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(name: str, seconds: float) -> list[str]:
        time.sleep(0.02)
        return [name, *[""] * (COLUMN_COUNT - 1)]

    rows = day.measure_all([str(n) for n in range(1000)], measure, time.monotonic() + 0.1)
    assert 1 < len(rows) < 50
    assert all(len(row) == COLUMN_COUNT for row in rows)
    assert rows[-1][0] == f"{1000 - len(rows) + 1} more"
    assert rows[-1][-1].startswith("no time left: ")
    assert len(capsys.readouterr().out.splitlines()) == len(rows) - 1


ANSWERS = """
import json, os, sys, time
for line in sys.stdin:
    if line == "dies\\n": os._exit(3)
    if line == "hangs\\n": time.sleep(60)
    print(json.dumps([line.strip(), str(os.getpid())]), flush=True)
"""


def test_after_an_entry_that_kills_or_hangs_its_process_the_next_has_another() -> None:
    workers = day.Workers("cpu", "tiny")
    workers._command = [sys.executable, "-c", ANSWERS]
    try:
        first, again = (workers.measure(name, 60)[1] for name in ("one", "two"))
        assert first == again
        assert "status 3" in workers.measure("dies", 60)[-1]
        second = workers.measure("three", 60)[1]
        assert "no answer within" in workers.measure("hangs", 0.2)[-1]
        third = workers.measure("four", 60)[1]
        assert len({first, second, third}) == 3
    finally:
        workers.stop()


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_day"])
    with pytest.raises(SystemExit):
        day.main()
    assert "--device cpu --tiny" in capsys.readouterr().err


def test_the_report_names_the_tests_that_failed_also_when_stopped_half_way() -> None:
    begun = "tests/a.py::one PASSED [ 1%]\ntests/a.py::two FAILED [ 2%]\ntests/a.py::three PASSED [ 3%]\n"
    assert day.tests_report(begun, "stopped")[3:] == ["tests/a.py::two FAILED [ 2%]", "2 passed so far", "```"]
    whole = f"{begun}FAILED tests/a.py::two - no\n=== 1 failed, 2 passed in 3 s ==="
    assert day.tests_report(whole, "exit status 1")[3:] == [
        "FAILED tests/a.py::two - no",
        "=== 1 failed, 2 passed in 3 s ===",
        "```",
    ]
