"""Searches: they find what is there to find, go on after a kill alike, and fill an archive."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.sweep import search
from aetheria.sweep.archive import elites, write_archive
from aetheria.sweep.results import ROWS, ResultTable
from aetheria.sweep.strategy import strategy_of
from aetheria.sweep.sweep_config import SearchConfig, SweepPlan
from aetheria.sweep.task import Row
from tests.sweep.small_sweeps import comparable, run_inline, small_sweep

PARAMETERS: dict[str, Any] = {
    "law.m": {"uniform": [0.0, 1.0]},
    "law.s": {"log_uniform": [0.01, 1.0]},
    "law.R": {"integer": [2, 9]},
    "law.core": {"choice": ["polynomial", "exponential"]},
}


def search_plan(folder: Path, **changes: Any) -> SweepPlan:
    settings: dict[str, Any] = {"points": 40, "batch": 8, "maximise": "mass", "parameters": PARAMETERS}
    changed = {name: value for name, value in (settings | changes).items() if value is not None}
    return small_sweep(folder, grid=None, seeds=1, search=changed)


def row_of(parameters: dict[str, Any], **observables: float) -> Row:
    values = {name: {"last": value, "mean": value} for name, value in observables.items()}
    return {"parameters": parameters, "status": "done", "observables": values, "index": 0, "seed": 0, "key": "", "error": ""}


def searched(plan: SweepPlan, row: Callable[[dict[str, Any]], Row]) -> list[Row]:
    """The rows of a search over a formula, without any run."""
    strategy, rows = strategy_of(plan), list[Row]()
    while asked := strategy.ask():
        told = [row(parameters) for parameters in asked]
        strategy.tell(told)
        rows += told
    return rows


def hill(parameters: dict[str, Any]) -> Row:
    """Highest at m = 0.7, s = 0.1, R = 6 with the exponential core."""
    height = -((parameters["law.m"] - 0.7) ** 2) - (np.log10(parameters["law.s"]) + 1) ** 2 - abs(parameters["law.R"] - 6) / 7
    return row_of(parameters, mass=height - (parameters["law.core"] == "polynomial"))


@pytest.mark.parametrize("method", ["tpe", "cma-es", "random"])
def test_optuna_asks_within_the_bounds_and_finds_the_top_of_a_hill(tmp_path: Path, method: str) -> None:
    pytest.importorskip("optuna")
    if method == "cma-es":
        pytest.importorskip("cmaes")
    parameters = {key: value for key, value in PARAMETERS.items() if method != "cma-es" or key in ("law.m", "law.s")}
    fixed = {"law.R": 6, "law.core": "exponential"}
    rows = searched(search_plan(tmp_path, method=method, points=120, parameters=parameters), lambda given: hill(fixed | given))
    assert len(rows) == 120
    assert all(0 <= row["parameters"]["law.m"] <= 1 and 0.01 <= row["parameters"]["law.s"] <= 1 for row in rows)
    best = max(row["observables"]["mass"]["last"] for row in rows)
    assert best > {"tpe": -0.1, "cma-es": -0.01, "random": -0.5}[method]


def test_optuna_minimises_too_and_takes_failures(tmp_path: Path) -> None:
    pytest.importorskip("optuna")

    def valley(parameters: dict[str, Any]) -> Row:
        row = row_of(parameters, mass=(parameters["law.m"] - 0.2) ** 2)
        return row | {"status": "failed", "observables": {}} if parameters["law.m"] > 0.8 else row

    rows = searched(search_plan(tmp_path, maximise=None, minimise="mass", parameters={"law.m": {"uniform": [0, 1]}}), valley)
    found = [row["observables"]["mass"]["last"] for row in rows if row["status"] == "done"]
    assert min(found) < 1e-3


@pytest.mark.parametrize("method", ["map-elites", "cma-me"])
def test_pyribs_fills_an_archive(tmp_path: Path, method: str) -> None:
    pytest.importorskip("ribs")
    parameters = {"law.m": {"uniform": [0, 1]}, "law.s": {"uniform": [0, 1]}}

    def place(given: dict[str, Any]) -> Row:
        row = row_of(given, mass=given["law.m"], centre_x=given["law.s"])
        return row | {"status": "failed", "observables": {}} if given["law.m"] < 0.1 else row

    archive = {"mass": [0.0, 1.0], "centre_x": [0.0, 1.0]}
    plan = search_plan(tmp_path, method=method, points=400, batch=20, archive=archive, cells=5, parameters=parameters)
    assert plan.config.search
    rows = searched(plan, place)
    best = elites(ResultTable(rows, tmp_path), plan.config.search)
    assert len(best) >= (20 if method == "map-elites" else 15)
    for (x, y), row in best.items():
        assert (min(4, int(row["parameters"]["law.m"] * 5)), min(4, int(row["parameters"]["law.s"] * 5))) == (x, y)


@pytest.mark.parametrize("method", ["tpe", "map-elites", "cma-me"])
def test_a_search_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path: Path, method: str) -> None:
    pytest.importorskip("optuna" if method == "tpe" else "ribs")
    archived: dict[str, Any] = {} if method == "tpe" else {"archive": {"mass_last": [0, 500], "centre_x_mean": [0, 32]}}
    parameters = {"law.m": {"uniform": [0.1, 0.3]}, "law.s": {"uniform": [0.005, 0.05]}}
    plan = search_plan(tmp_path, method=method, points=20, batch=6, parameters=parameters, **archived)
    expected = comparable(run_inline(plan, tmp_path / "whole"))
    assert len(expected) > 15  # MAP-Elites may ask for a corner of the cube twice
    (tmp_path / "out").mkdir()
    lines = (tmp_path / "whole" / ROWS).read_bytes().splitlines(keepends=True)
    (tmp_path / "out" / ROWS).write_bytes(b"".join(lines[:9]))
    assert comparable(run_inline(plan, tmp_path / "out")) == expected
    assert (tmp_path / "out" / "archive.csv").exists() is (method != "tpe")


def test_the_archive_holds_the_best_run_of_each_cell(tmp_path: Path) -> None:
    settings = SearchConfig.checked(
        {
            "method": "map-elites",
            "points": 9,
            "maximise": "mass",
            "archive": {"speed": [0, 1], "symmetry_mean": [0, 10]},
            "cells": 2,
            "parameters": {},
        },
        "search",
    )
    given = [(1, 0.2, 3), (5, 0.3, 4), (2, 0.7, 4), (9, 0.7, 10), (99, 0.7, 10.5), (99, -0.1, 5)]
    rows = [row_of({"law.m": m}, mass=m, speed=speed, symmetry=symmetry) for m, speed, symmetry in given]
    for index, row in enumerate(rows):
        Image.new("RGB", (4, 4), "red").save(tmp_path / f"{index}.png")
        row.update(index=index, picture=f"{index}.png")
    rows.append({**rows[1], "status": "failed"})
    best = elites(ResultTable(rows, tmp_path), settings)
    assert {place: row["index"] for place, row in best.items()} == {(0, 0): 1, (1, 0): 2, (1, 1): 3}
    files = write_archive(ResultTable(rows, tmp_path), settings, tmp_path)
    assert [file.name for file in files] == ["archive.csv", "archive.png"]
    written = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [(line["cell_speed"], line["cell_symmetry_mean"], line["mass"]) for line in written] == [
        ("0", "0", "5.0"),
        ("1", "0", "2.0"),
        ("1", "1", "9.0"),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maximise": None}, "[search] expected maximise or minimise, one of the two"),
        ({"minimise": "mass"}, "[search] expected maximise or minimise, one of the two"),
        ({"maximise": "masss"}, "[search] masss: no such column of [measure] observables; did you mean mass?"),
        ({"method": "cma-me"}, '[search] method = "cma-me" needs archive'),
        ({"archive": {"mass": [0, 1]}}, '[search] method = "tpe" has no archive'),
        ({"method": "cma-me", "archive": {"mass": [1, 0]}}, "[search] archive mass: [1.0, 0.0] given; expected [low, high]"),
        ({"method": "anneal"}, "must be"),
    ],
)
def test_bad_searches_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        search_plan(tmp_path, **changes)
    assert said in str(caught.value)


def test_a_search_has_bounds_and_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="normal has no bounds, which a search needs; use uniform"):
        strategy_of(search_plan(tmp_path, parameters={"law.m": {"normal": [0.1, 0.2]}}))
    monkeypatch.setattr(search, "installed", lambda _: False)
    with pytest.raises(ConfigError, match=r'"tpe" needs optuna: pip install \'.\[search\]\''):
        strategy_of(search_plan(tmp_path))
