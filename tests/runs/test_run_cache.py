"""The cache of runs: equal runs once, others never mixed up, a limit, and damage that is noticed."""

import importlib
import inspect
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetheria import Recording
from aetheria.laws import register
from aetheria.runs import cached_run
from aetheria.runs.cached_run import run_cached
from aetheria.runs.config import RunConfig
from aetheria.runs.run_cache import RunCache, cache_key


def config_of(**changes: Any) -> RunConfig:
    values: dict[str, Any] = {
        "steps": 6,
        "grid": {"height": 16, "width": 16},
        "law": {"name": "Life"},
        "motor": {"plan": "eager"},
        "record": {"every": 2},
    }
    return RunConfig.checked(values | changes, "")


def test_an_entry_gives_back_its_values_and_files(tmp_path: Path) -> None:
    cache = RunCache(tmp_path / "cache")
    (tmp_path / "a.txt").write_text("hello")
    assert cache.get("k") is None
    cache.put("k", {"x": 1.5}, {"a": tmp_path / "a.txt"})
    found = cache.get("k")
    assert found is not None
    assert found[0] == {"x": 1.5}
    assert found[1]["a"].read_text() == "hello"
    statistics = cache.statistics()
    assert (statistics.entries, statistics.hits, statistics.misses) == (1, 1, 1)
    assert statistics.nbytes > 5


def test_a_damaged_entry_is_none(tmp_path: Path) -> None:
    cache = RunCache(tmp_path / "cache")
    (tmp_path / "a.txt").write_text("hello")
    for damage in ("a", "values.json"):
        cache.put("k", {}, {"a": tmp_path / "a.txt"})
        assert cache.get("k") is not None
        (tmp_path / "cache" / "k" / damage).write_text("[1")
        assert cache.get("k") is None


def test_the_entries_that_were_not_used_for_longest_go_first(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(1000))
    cache = RunCache(tmp_path / "cache", limit_bytes=3500)
    for number, key in enumerate("abc"):
        cache.put(key, {}, {"large": tmp_path / "large"})
        os.utime(tmp_path / "cache" / key, (number, number))
    assert cache.get("a") is not None  # used now
    cache.put("d", {}, {"large": tmp_path / "large"})
    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = RunCache(tmp_path / "file" / "cache")
    cache.put("k", {})
    assert cache.get("k") is None
    assert "the cache of runs cannot be written" in caplog.text


def test_keys_differ_where_runs_do(tmp_path: Path) -> None:
    pattern = tmp_path / "p.rle"
    pattern.write_text("x = 1, y = 1\no!")
    initial = {"kind": "pattern", "path": str(pattern)}
    keys = [
        cache_key(config, "cpu")
        for config in (config_of(), config_of(seed=1), config_of(steps=7), config_of(initial=initial), config_of(batch=2))
    ]
    assert len({*keys}) == 5
    assert cache_key(config_of(), "cpu") == keys[0]
    assert cache_key(config_of(), "cpu", kind="sweep") != keys[0]
    pattern.write_text("x = 2, y = 1\noo!")
    assert cache_key(config_of(initial=initial), "cpu") != keys[3]


def test_the_contents_of_every_named_file_count(tmp_path: Path) -> None:
    creatures, table = tmp_path / "found.json", tmp_path / "own.rule"
    creature = json.dumps({"code": "x", "params": {"R": 3, "T": 5, "m": 0.1, "s": 0.1, "b": "1"}, "cells": "A!"})
    rule = "@RULE own\n@TABLE\nn_states:2\nneighborhood:vonNeumann\nsymmetries:none\n0,0,0,0,0,1\n"
    for path, first, other, law in (
        (creatures, creature, creature.replace("0.1", "0.2"), {"name": "Lenia", "animal": "x", "collection": str(creatures)}),
        (table, rule, rule.replace("0,1\n", "1,0\n"), {"name": "RuleTable", "rule": str(table)}),
    ):
        path.write_text(first)
        key = cache_key(config_of(law=law), "cpu")
        assert key == cache_key(config_of(law=law), "cpu")
        path.write_text(other)
        assert cache_key(config_of(law=law), "cpu") != key


@pytest.mark.usefixtures("kept_laws")
def test_the_source_of_a_law_of_another_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "class OwnCached(Law):\n    channels = 1\n    def forward(self, cells):\n        return cells\n"
    source = f"from aetheria.laws import Law\n{body}"
    (tmp_path / "own_cached_law.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    law = importlib.import_module("own_cached_law").OwnCached
    register(law)
    config = config_of(law={"name": "OwnCached"})
    key = cache_key(config, "cpu")
    assert key is not None
    (tmp_path / "own_cached_law.py").write_text(source + "# changed\n")
    assert cache_key(config, "cpu") not in (key, None)
    monkeypatch.setattr(law, "__module__", "__main__")
    monkeypatch.setattr(inspect, "getsourcefile", lambda _: None)
    assert cache_key(config, "cpu") is None
    cache = RunCache(tmp_path / "cache")
    assert run_cached(config, tmp_path / "own.h5", cache=cache, device="cpu").status == "done"
    assert cache.statistics().entries == 0


def test_the_same_run_is_copied_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = RunCache(tmp_path / "cache")
    first = run_cached(config_of(), tmp_path / "a.h5", cache=cache, device="cpu")
    assert first.message == ""
    monkeypatch.setattr(cached_run, "run", lambda *_, **__: pytest.fail("it was run again"))
    second = run_cached(config_of(), tmp_path / "b.h5", cache=cache, device="cpu")
    assert (second.status, second.steps, second.frames) == ("done", 6, 4)
    assert "copied from the cache" in second.message
    assert second.picture is not None
    assert second.picture.exists()
    with Recording(first.recording) as one, Recording(second.recording) as other:
        assert all(np.array_equal(a["channel_0"], b["channel_0"]) for a, b in zip(one, other, strict=True))
    with pytest.raises(Exception, match="exists; use --overwrite"):
        run_cached(config_of(), tmp_path / "b.h5", cache=cache, device="cpu")
