"""Benchmarks keep working: each runs here at a tiny size, its figures not looked at."""

import pytest

from benchmarks import headless


def test_the_headless_benchmark_prints_a_row_for_each_law(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["headless", "--side", "32", "--steps", "2", "--repeats", "1", "--no-start-up"])
    headless.main()
    out = capsys.readouterr().out
    assert all(f"\n| {name} | " in out for name in headless.LAWS)
    assert "torch" in out.splitlines()[2]
