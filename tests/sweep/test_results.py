"""The table of results: columns, CSV, Parquet, pandas and xarray, and charts."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.observe.colour_maps import colour_map
from aetheria.runs.config import shipped_sweeps
from aetheria.sweep.charts import axes_of, contact_sheet, heat_map
from aetheria.sweep.results import ResultTable
from aetheria.sweep.sweep_config import load_sweep
from aetheria.sweep.task import Row


def row(index: int, mass: float | None, seed: int = 0, **parameters: Any) -> Row:
    observables = {} if mass is None else {"mass": dict.fromkeys(("last", "mean", "min", "max"), mass), "period": 2.0}
    status = "failed" if mass is None else "done"
    return {
        "key": f"k{index}",
        "index": index,
        "parameters": parameters,
        "seed": seed,
        "status": status,
        "error": "=1+1 went wrong" if mass is None else "",
        "observables": observables,
    }


@pytest.fixture
def table(tmp_path: Path) -> ResultTable:
    places = [(x, y) for x in (0.1, 0.2, 0.3) for y in (1, 2)]
    return ResultTable([row(i, None if i == 5 else float(i), a=x, b=y) for i, (x, y) in enumerate(places)], tmp_path)


def test_columns_are_parameters_observables_and_the_rest(table: ResultTable) -> None:
    assert table.columns[:4] == ["index", "a", "b", "status"]
    assert table.observed == ["mass_last", "mass_mean", "mass_min", "mass_max", "period"]
    assert table.column("mass") == [0, 1, 2, 3, 4, None]
    with pytest.raises(ConfigError, match="masss: no such column; did you mean mass_"):
        table.column("masss")
    assert "1 of them not done" in repr(table)


def test_a_grid_has_the_means_of_its_seeds_and_nan_where_nothing_is(tmp_path: Path) -> None:
    rows = [row(0, 1.0, 0, a=1, b=1), row(1, 3.0, 1, a=1, b=1), row(2, 5.0, 0, a=2, b=2), row(3, None, 0, a=2, b=1)]
    xs, ys, values = ResultTable(rows, tmp_path).grid("a", "b", "mass")
    assert (xs, ys) == ([1, 2], [1, 2])
    assert np.array_equal(values, [[2, np.nan], [np.nan, 5]], equal_nan=True)


def test_csv_holds_all_rows_and_no_formula(table: ResultTable, tmp_path: Path) -> None:
    table.write_csv(tmp_path / "t.csv")
    lines = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [line["mass_last"] for line in lines] == ["0.0", "1.0", "2.0", "3.0", "4.0", ""]
    assert lines[5]["error"] == "'=1+1 went wrong"


def test_parquet_holds_all_rows(table: ResultTable, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    mixed = ResultTable([*table, row(6, 1.5, a="text", b=[1, 2])], tmp_path)
    mixed.write_parquet(tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert read["mass_last"] == [0, 1, 2, 3, 4, None, 1.5]
    assert read["a"][-2:] == ["0.3", "text"]
    assert list(read) == mixed.columns


def test_pandas_and_xarray(table: ResultTable) -> None:
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["mass_last"].tolist()[:5] == [0, 1, 2, 3, 4]
    pytest.importorskip("xarray")
    found = table.to_xarray()["mass_last"]
    assert found.dims == ("a", "b", "seed")
    assert float(found.sel(a=0.2, b=2, seed=0)) == 3
    assert np.isnan(float(found.sel(a=0.3, b=2, seed=0)))


def test_a_heat_map_has_the_colour_of_each_value(table: ResultTable) -> None:
    image = np.asarray(heat_map(table, axes_of(table, {})))
    colours = colour_map("ember")
    left, top, side = 84, 34, 48

    def at(x: int, y: int) -> list[int]:
        return image[top + (1 - y) * side + 20, left + x * side + 20].tolist()

    assert at(0, 0) == colours[0].tolist()
    assert at(2, 0) == colours[255].tolist()  # 4, the greatest
    assert at(2, 1) == [225, 225, 225]  # failed


def test_a_contact_sheet_has_the_picture_of_each_run(table: ResultTable, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set pictures = true"):
        contact_sheet(table, axes_of(table, {}))
    for entry, colour in zip(table, ("red", "lime", "blue", "cyan", "yellow"), strict=False):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{entry['key']}.png")
        entry["picture"] = f"{entry['key']}.png"
    sheet = contact_sheet(table, axes_of(table, {}))
    assert sheet.getpixel((84 + 40, 34 + 98 + 40)) == (255, 0, 0)  # a = 0.1, b = 1: the lower left
    assert sheet.getpixel((84 + 40, 34 + 40)) == (0, 255, 0)
    assert sheet.getpixel((84 + 98 + 40, 34 + 98 + 40)) == (0, 0, 255)
    table[0]["picture"] = "../../etc/x.png"
    with pytest.raises(ConfigError, match="lies outside of the sweep's folder"):
        contact_sheet(table, axes_of(table, {}))


def test_a_chart_that_is_not_there_is_refused(table: ResultTable) -> None:
    with pytest.raises(ConfigError, match="c: no such column"):
        axes_of(table, {"x": "c"})
    with pytest.raises(ConfigError, match="a heat map needs two parameters"):
        axes_of(ResultTable(table[:2], table.folder), {})


@pytest.mark.parametrize("name", sorted(shipped_sweeps()))
def test_shipped_sweeps_are_valid_and_explain_themselves(name: str) -> None:
    plan, folder = load_sweep(name)
    assert folder == name
    assert plan.config.title
    assert shipped_sweeps()[name].read_text().startswith("# What to look for: ")


def test_a_notebook_shows_parameters_and_last_values_of_the_first_points(table: ResultTable) -> None:
    shown = table._repr_html_()
    assert f"<caption><b>{repr(table).strip('<>')}</b></caption>" in shown
    for name in ["index", "status", *table.parameters, "seed"]:
        assert f"<th>{name}</th>" in shown
    assert shown.count("<tr>") == 1 + len(table)
    many = ResultTable([*table] * 20, table.folder)
    assert many._repr_html_().endswith(f"<p>and {len(many) - 20} more</p>")


def test_texts_of_a_table_are_escaped_in_a_notebook(tmp_path: Path) -> None:
    row = {"index": 0, "status": "done", "seed": 1, "parameters": {"law.rule": "<script>"}, "observables": {}, "key": "k"}
    shown = ResultTable([row], tmp_path)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
