"""Points that an earlier sweep ran are taken from the cache."""

from pathlib import Path

import pytest

from aetheria.runs.run_cache import RunCache
from aetheria.sweep import point_run
from aetheria.sweep.sweeper import SweepOptions
from tests.sweep.small_sweeps import comparable, run_inline, small_sweep

CACHED = SweepOptions(cache=True)
POPULATION = {"observables": ["population"]}


def test_a_second_sweep_takes_equal_points_with_their_files(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_sweep(tmp_path, pictures=True, recordings=True, seeds=1)
    first = run_inline(plan, tmp_path / "first", options=CACHED)
    assert RunCache().statistics().entries == 3
    monkeypatch.setattr(point_run, "_run_points", lambda _: pytest.fail("it was run again"))
    second = run_inline(plan, tmp_path / "second", options=CACHED)
    assert second.column("cached") == [True] * 3
    assert comparable(second) == comparable(first)
    for row in second:
        for kind in ("picture", "recording"):
            assert (second.folder / row[kind]).read_bytes() == (first.folder / row[kind]).read_bytes()


def test_seeds_that_run_together_are_kept_apart(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, grid={"steps": [4]}, seeds=2, measure=POPULATION)
    plan.base["law"] = {"name": "Life"}
    first = run_inline(plan, tmp_path / "first", options=CACHED)
    more = small_sweep(tmp_path, grid={"steps": [4]}, seeds=3, measure=POPULATION)
    more.base["law"] = {"name": "Life"}
    second = run_inline(more, tmp_path / "second", options=CACHED)
    assert [bool(row.get("cached")) for row in second] == [True, True, False]
    assert comparable(second[:2]) == comparable(first)


def test_failures_and_other_observables_are_not_taken(tmp_path: Path) -> None:
    run_inline(small_sweep(tmp_path, grid={"law.m": [0.1, -1.0]}, seeds=1), tmp_path / "first", options=CACHED)
    assert RunCache().statistics().entries == 1
    other = small_sweep(tmp_path, grid={"law.m": [0.1]}, seeds=1, measure={"observables": ["mass"]})
    assert not run_inline(other, tmp_path / "second", options=CACHED)[0].get("cached")
