"""Plots: what is drawn, from every kind of source; wrong arguments."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetheria import Aetheria_Motor, GrowingNCA, Life, Recorder, Recording, build_law, simulate
from aetheria.core.errors import ConfigError
from tests.sweep.small_sweeps import run_inline, small_sweep

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
matplotlib.use("Agg")
plot: Any = pytest.importorskip("aetheria.plot")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def run() -> Any:
    """Brian's Brain in three universes: states and population at steps 0, 2 .. 10."""
    return simulate("/2/3", (12, 16), 10, fields=["state", "population"], every=2, batch=3, seed=1)


def drawn(ax: Any) -> np.ndarray[Any, Any]:
    return np.asarray(ax.images[0].get_array())


def test_a_picture_shows_one_frame_with_its_states_named(run: Any) -> None:
    ax = plot.picture(run, frame=2, universe=1)
    np.testing.assert_array_equal(drawn(ax), run["state"][2, 1])
    assert ax.get_title() == "step 4"
    bar = ax.figure.axes[1]
    assert (bar.get_ylabel(), bar.get_yticks().tolist()) == ("state", [0, 1, 2])
    assert ax.images[0].get_clim() == (0, 2)


def test_the_sources_of_a_picture_are_alike(tmp_path: Path) -> None:
    with Aetheria_Motor(Life(), (12, 16), 1, seed=2) as motor:
        with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"]):
            motor.step(3)
        expected = motor.cells[0, 0].numpy()
        with Recording(tmp_path / "run.h5") as recording:
            for source in (
                motor,
                recording,
                tmp_path / "run.h5",
                str(tmp_path / "run.h5"),
                simulate(Life(), (12, 16), 3, seed=2),
            ):
                ax = plot.picture(source, "channel_0")
                np.testing.assert_array_equal(drawn(ax), expected)
                assert ax.get_title() == "step 3"


def test_colours_of_cells_are_shown_as_they_are() -> None:
    with Aetheria_Motor(GrowingNCA(), 10, 16, seed=1) as motor:
        ax = plot.picture(motor, "rgb")
        np.testing.assert_allclose(drawn(ax), np.moveaxis(motor.read("rgb")[0].numpy(), 0, -1))
        assert len(ax.figure.axes) == 1, "a colour bar of colours"


def test_a_grid_of_one_axis_is_a_line_and_over_time_a_picture() -> None:
    row = simulate("W110", 40, 9, seed=4)
    np.testing.assert_array_equal(plot.picture(row).lines[0].get_ydata(), row["state"][-1])
    ax = plot.space_time(row)
    np.testing.assert_array_equal(drawn(ax), row["state"])
    assert ax.images[0].get_extent() == [-0.5, 39.5, 9.5, -0.5]
    with pytest.raises(ConfigError, match=r"expected two, or plot\.space_time"):
        plot.filmstrip(row)


def test_a_volume_is_cut() -> None:
    volume = simulate("Life3D", 8, 2, seed=1)
    np.testing.assert_array_equal(drawn(plot.picture(volume, z=3)), volume["state"][-1, 3])
    np.testing.assert_array_equal(drawn(plot.picture(volume, z="max")), volume["state"][-1].max("z"))
    np.testing.assert_array_equal(drawn(plot.space_time(volume, z=3, y=-1)), volume["state"][:, 3, -1])
    with pytest.raises(ConfigError, match='a grid of three axes; cut one, as z=4, or z="mean"'):
        plot.picture(volume)
    with pytest.raises(ConfigError, match="cut all but one, as y=0"):
        plot.space_time(volume, z=3)


def test_a_film_strip_has_evenly_spaced_frames_in_the_same_colours() -> None:
    rising = simulate("Lenia", 32, 20, every=2, seed=1)
    figure = plot.filmstrip(rising, frames=3, columns=2)
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == ["step 0", "step 10", "step 20"]
    assert len({ax.images[0].get_clim() for ax in shown}) == 1
    np.testing.assert_array_equal(drawn(shown[1]), rising["channel_0"][5])
    assert [ax.get_title() for ax in plot.filmstrip(rising, frames=[1, -1]).axes if ax.images] == ["step 2", "step 20"]


def test_a_contact_sheet_shows_universes_or_runs(run: Any) -> None:
    shown = [ax for ax in plot.contact_sheet(run).axes if ax.images]
    assert [ax.get_title() for ax in shown] == ["universe 0", "universe 1", "universe 2"]
    np.testing.assert_array_equal(drawn(shown[2]), run["state"][-1, 2])
    named = [ax.get_title() for ax in plot.contact_sheet({"one": run, "two": run}, columns=1).axes if ax.images]
    assert named == ["one", "two"]


def test_a_contact_sheet_shows_the_runs_of_a_sweep(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, grid={"law.m": [0.12, 0.15]}, seeds=2, recordings=True)
    table = run_inline(plan, tmp_path / "out")
    figure = plot.contact_sheet(table, columns=2)
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == [f"m {m}, seed {seed}" for m in (0.12, 0.15) for seed in (0, 1)]
    for ax, path in zip(shown, table.recordings().values(), strict=True):
        with Recording(path) as recording:
            np.testing.assert_array_equal(drawn(ax), recording[-1][recording.fields[0]][0])
            name = recording.fields[0]
    assert figure.axes[-1].get_ylabel() == name, "no colour bar"
    with pytest.raises(ConfigError, match="recordings: no run of this sweep has one; set recordings = true"):
        plot.contact_sheet(run_inline(small_sweep(tmp_path, seeds=1), tmp_path / "none"))


@pytest.mark.parametrize(
    ("law", "settings"),
    [("Lenia", {}), ("GrayScott", {}), ("Kuramoto", {}), ("Generations", {}), ("GrowingNCA", {}), ("QuantumWalk", {"rank": 2})],
)
def test_a_picture_of_any_field_has_a_colour_bar_with_its_unit(law: str, settings: dict[str, Any]) -> None:
    with Aetheria_Motor(build_law(law, **settings), 32, seed=1, cfg={"plan": "eager"}) as motor:
        motor.step(1)
        for field in fields_over(motor):
            ax = plot.picture(motor, field.name)
            assert ax.get_title() == "step 1"
            bars = [other.get_ylabel() for other in ax.figure.axes[1:]]
            unit = "" if field.unit in ("", "1") else f" ({field.unit})"
            assert bars == ([] if field.name == "rgb" else [f"{field.name}{unit}"])
            matplotlib.pyplot.close("all")


def fields_over(motor: Aetheria_Motor) -> Iterator[Any]:
    """The fields of a motor's law that have a picture; of numbered ones the first."""
    for stem in motor.traits.fields:
        for name in (stem, f"{stem}_0"):
            try:
                (field,) = motor.request([name]).fields
            except ConfigError:
                continue
            if not field.scalar:
                yield field
            break


def test_observables_over_time_and_against_each_other(run: Any) -> None:
    ax = plot.series(run)
    assert [line.get_label() for line in ax.lines] == [f"population, universe {u}" for u in range(3)]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), run["population"][:, 1])
    one = plot.series(run, "population", universe=2)
    assert (len(one.lines), one.get_ylabel()) == (1, "population (cells)")
    portrait = plot.phase_portrait(run, "population", "population", universe=1)
    np.testing.assert_array_equal(portrait.lines[0].get_xdata(), run["population"][:, 1])


def test_infinite_values_and_none_at_all_are_drawn(run: Any) -> None:
    broken = run[["state"]].isel(universe=0).copy(deep=True)
    broken["state"].attrs.clear()
    broken["state"].values[-1, 0, 0] = np.inf
    assert np.isfinite(plot.picture(broken).images[0].get_clim()).all()
    broken["state"].values[:] = np.nan
    assert np.isfinite(plot.picture(broken).images[0].get_clim()).all()


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda run: plot.picture(run, "stat"), 'no field "stat"; did you mean state'),
        (lambda run: plot.picture(run, frame=6), "frame: 6 given; expected -6 to 5"),
        (lambda run: plot.picture(run, universe=3), "universe: 3 given; expected -3 to 2"),
        (lambda run: plot.picture(run.isel(universe=0), universe=1), "universe: 1 given; expected 0, the only one"),
        (lambda run: plot.picture(run, colours="hot potato"), 'colour_map: "hot potato"'),
        (lambda run: plot.picture(run, z=1), "z: 1 given; the field"),
        (lambda run: plot.space_time(run, y="middle"), "y: 'middle' given"),
        (lambda _: plot.picture(7), "int given; expected a dataset"),
        (lambda run: plot.picture(run[["population"]]), "no field over the grid"),
        (lambda run: plot.series(run[["state"]]), "no observables"),
        (lambda run: plot.series(run, "mass"), 'no field "mass"'),
        (lambda run: plot.filmstrip(run, frames=0), "nothing to show"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(run: Any, draw: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        draw(run)


def test_without_matplotlib_it_says_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"plots need matplotlib: pip install '\.\[plot\]'"):
        plot.series(run)
