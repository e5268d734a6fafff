"""The points of a sweep: grids, ranges, distributions, seeds, and points that run together."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetheria.core.errors import ConfigError
from aetheria.sweep.batches import batches
from aetheria.sweep.points import Point, fixed_parameters, points_of
from aetheria.sweep.ranges import Distribution, values_of
from aetheria.sweep.sweep_config import SweepPlan
from tests.sweep.small_sweeps import LAW, comparable, run_inline, small_sweep


def all_points(plan: SweepPlan) -> list[Point]:
    return points_of(plan, list(fixed_parameters(plan)), 0)


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ([1, "a", True], [1, "a", True]),
        ({"from": 0.1, "to": 0.4, "count": 4}, [0.1, 0.2, 0.3, 0.4]),
        ({"from": 0, "to": 10, "count": 3}, [0, 5, 10]),
        ({"from": 2, "to": 8, "step": 3}, [2, 5, 8]),
        ({"from": 1, "to": 0, "step": -0.5}, [1.0, 0.5, 0.0]),
        ({"from": 0.1, "to": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"from": 0.01, "to": 1, "count": 3, "scale": "log"}, [0.01, 0.1, 1.0]),
    ],
)
def test_values_of_lists_and_ranges(entry: Any, values: list[Any]) -> None:
    found = values_of(entry, "x")
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize(
    ("entry", "mean", "spread"),
    [
        ({"uniform": [2, 4]}, 3, 2 / math.sqrt(12)),
        ({"integer": [1, 6]}, 3.5, math.sqrt(35 / 12)),
        ({"normal": [5, 0.5]}, 5, 0.5),
        ({"choice": [1, 3]}, 2, 1),
    ],
)
def test_distributions_have_their_mean_and_spread(entry: Any, mean: float, spread: float) -> None:
    generator = np.random.default_rng(0)
    drawn = np.array([Distribution(entry, "x").draw(generator) for _ in range(4000)])
    assert drawn.mean() == pytest.approx(mean, abs=5 * spread / math.sqrt(4000))
    assert drawn.std() == pytest.approx(spread, rel=0.05)


def test_a_log_uniform_draw_is_uniform_in_its_logarithm() -> None:
    generator = np.random.default_rng(0)
    drawn = np.log10([Distribution({"log_uniform": [0.01, 100]}, "x").draw(generator) for _ in range(4000)])
    assert drawn.mean() == pytest.approx(0, abs=0.1)
    assert drawn.std() == pytest.approx(4 / math.sqrt(12), rel=0.05)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"uniform": [1]}, "uniform = [1] given; expected [low, high]"),
        ({"uniform": [2, 1]}, "expected [low, high]"),
        ({"log_uniform": [0, 1]}, "both above 0"),
        ({"integer": [1.5, 2]}, "whole numbers"),
        ({"normal": [0, 0]}, "standard deviation"),
        ({"choice": []}, "a list of values"),
        ({"unifrom": [0, 1]}, "did you mean uniform?"),
        ([1, 2], "expected a distribution as in { uniform = [0.1, 0.2] }"),
    ],
)
def test_distributions_that_make_no_sense_are_refused(entry: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Distribution(entry, "[random.parameters] law.m")
    assert str(caught.value).startswith("[random.parameters] law.m: ")
    assert said in str(caught.value)


def test_a_grid_is_the_product_of_its_values_with_every_seed(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, grid={"law": {"m": [0.1, 0.2]}, "law.s": [1.0, 2.0]}, seeds=[5, 9])
    found = [(point.parameters["law.m"], point.parameters["law.s"], point.seed) for point in all_points(plan)]
    assert found == [(m, s, seed) for m in (0.1, 0.2) for s in (1.0, 2.0) for seed in (5, 9)]
    assert [point.index for point in all_points(plan)] == list(range(8))
    assert len({point.key for point in all_points(plan)}) == 8


def test_settings_with_the_names_of_range_keys_are_settings(tmp_path: Path) -> None:
    plan = small_sweep(
        tmp_path,
        set={"picture": {"scale": 2}},
        grid={"picture": {"scale": [2, 3]}, "law.m": {"from": 0.1, "to": 0.2, "count": 2}},
    )
    assert list(plan.grid) == ["picture.scale", "law.m"]
    assert plan.base["picture"] == {"scale": 2}


def test_dotted_and_nested_distributions_are_the_same(tmp_path: Path) -> None:
    for parameters in ({"law.m": {"uniform": [0, 1]}}, {"law": {"m": {"uniform": [0, 1]}}}):
        plan = small_sweep(tmp_path, grid=None, random={"points": 1, "parameters": parameters})
        assert list(plan.distributions) == ["law.m"]


def random_plan(folder: Path, points: int, **changes: Any) -> SweepPlan:
    drawn = {"points": points, "parameters": {"law.m": {"uniform": [0.1, 0.2]}, "law.s": {"normal": [0.02, 0.001]}}}
    return small_sweep(folder, **({"grid": None, "random": drawn, "seeds": 1} | changes))


def test_more_random_points_begin_with_the_same_ones(tmp_path: Path) -> None:
    few, many = all_points(random_plan(tmp_path, 3)), all_points(random_plan(tmp_path, 5))
    assert many[:3] == few
    assert len({point.parameters["law.m"] for point in many}) == 5


def test_random_draws_are_combined_with_a_grid(tmp_path: Path) -> None:
    plan = random_plan(tmp_path, 2, grid={"law.T": [5.0, 10.0]})
    found = [point.parameters for point in all_points(plan)]
    assert [parameters["law.T"] for parameters in found] == [5, 10, 5, 10]
    assert found[0]["law.m"] == found[1]["law.m"] != found[2]["law.m"]


def test_files_named_in_a_sweep_are_relative_to_it(tmp_path: Path) -> None:
    plan = small_sweep(
        tmp_path, grid={"law.weights": ["a.safetensors"], "initial.kind": ["npy"]}, set={"initial.path": "b.npy"}
    )
    values = all_points(plan)[0].values
    assert values["law"]["weights"] == str(tmp_path / "a.safetensors")
    assert values["initial"] == {"path": str(tmp_path / "b.npy"), "kind": "npy"}


def life_plan(folder: Path, law: dict[str, Any] | None = None, **changes: Any) -> SweepPlan:
    given: dict[str, Any] = {"grid": {"record.every": [1, 2]}, "seeds": 5} | changes
    plan = small_sweep(folder, **given)
    plan.base["law"] = law or {"name": "Life"}
    return plan


def test_only_points_of_exact_laws_that_differ_in_their_seed_run_together(tmp_path: Path) -> None:
    def sizes(plan: SweepPlan, slots: int = 2) -> list[int]:
        return [len(group) for group in batches(plan, all_points(plan), slots)]

    assert sizes(life_plan(tmp_path)) == [5, 5]
    assert sizes(life_plan(tmp_path), slots=5) == [2, 2, 1, 2, 2, 1]
    assert sizes(life_plan(tmp_path), slots=10) == [1] * 10
    assert sizes(life_plan(tmp_path, {"name": "Lenia"})) == [1] * 10  # its plans differ in rounding
    assert sizes(life_plan(tmp_path, {"name": "Lenia"}, batched=True)) == [5, 5]
    assert sizes(life_plan(tmp_path, {"name": "GrowingNCA"}, batched=True)) == [1] * 10  # has no controls by universe
    assert sizes(life_plan(tmp_path, {"name": "Ising"}, batched=True)) == [1] * 10  # its chance depends on the motor's seed
    assert sizes(life_plan(tmp_path, pictures=True)) == [1] * 10


def test_a_key_of_a_table_of_the_users_own_varies_if_the_config_has_it(tmp_path: Path) -> None:
    law = 'name = "ReactionDiffusion"\nreaction = {u = "a*u"}\ndiffusion = {u = 0.1}\nconstants = {a = 1.0}'
    plan = small_sweep(tmp_path, law, grid={"law.constants.a": [0.5, 2.0]}, seeds=1)
    assert [point.values["law"]["constants"] for point in all_points(plan)] == [{"a": 0.5}, {"a": 2.0}]
    with pytest.raises(ConfigError, match=r"\[grid\] law.constants.b: no such setting"):
        small_sweep(tmp_path, law, grid={"law.constants.b": [0.5, 2.0]})


def test_points_that_differ_in_controls_run_together_where_the_sweep_says_so(tmp_path: Path) -> None:
    grid = {"law.R": [5, 6], "law.m": [0.12, 0.15, 0.2], "law.s": [0.02, 0.03]}
    plan = small_sweep(tmp_path, batched=True, grid=grid, seeds=2)
    points = all_points(plan)
    assert [len(group) for group in batches(plan, points, 1)] == [12, 12]
    assert all(len({point.parameters["law.R"] for point in group}) == 1 for group in batches(plan, points, 1))
    assert [len(group) for group in batches(small_sweep(tmp_path, grid=grid), points, 1)] == [1] * 24


@pytest.mark.parametrize(
    ("law", "grid"),
    [
        ('name = "GrayScott"', {"law.F": [0.02, 0.05], "law.k": [0.05, 0.06]}),
        (
            'name = "ReactionDiffusion"\nreaction = {u = "a*u - u^3"}\ndiffusion = {u = 0.1}\nconstants = {a = 1.0}',
            {"law.constants.a": [0.5, 2.0]},
        ),
        (LAW, {"law.m": [0.12, 0.15], "law.T": [5.0, 10.0]}),
    ],
)
def test_points_that_run_together_have_the_rows_of_points_that_run_alone(
    tmp_path: Path, law: str, grid: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"law": law, "grid": grid, "seeds": 2, "measure": {"observables": ["mass"]}}
    rows = {}
    for batched in (True, False):
        plan = small_sweep(tmp_path, **given, batched=batched)
        assert (len(next(batches(plan, all_points(plan), 1))) > 2) == batched
        rows[batched] = run_inline(plan, tmp_path / f"{batched}").column("mass_mean")
    assert rows[True] == pytest.approx(rows[False], rel=1e-5)
    assert len(set(rows[True])) == len(rows[True])


def test_a_point_that_fails_harms_none_of_its_batch(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, batched=True, grid={"law.m": [0.12, -1.0, 0.2]}, seeds=1)
    rows = list(run_inline(plan, tmp_path / "out"))
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert "[law.lenia] m: -1.0 given" in rows[1]["error"]


def test_a_point_that_diverges_harms_none_of_its_batch(tmp_path: Path) -> None:
    law = 'name = "ReactionDiffusion"\nreaction = {u = "a*u^2"}\ndiffusion = {u = 0.1}\nconstants = {a = 1.0}'
    given: dict[str, Any] = {"grid": {"law.constants.a": [-1.0, 50.0]}, "measure": {"observables": ["mass"]}}
    plan = small_sweep(tmp_path, law, batched=True, seeds=1, set={"steps": 60}, **given)
    assert [row["status"] for row in run_inline(plan, tmp_path / "out")] == ["done", "diverged"]


@pytest.mark.parametrize("law", [{"name": "Life"}, {"name": "Cyclic"}, {"name": "Generations", "rule": "345/2/4"}])
@pytest.mark.parametrize("motor", [{}, {"plan": "eager"}])
def test_seeds_that_run_together_have_the_rows_of_seeds_that_run_alone(
    tmp_path: Path, law: dict[str, Any], motor: dict[str, Any]
) -> None:
    observables = [
        "population",
        "centre_x",
        "centre_y",
        "compressibility",
        "symmetry",
        "spectral_slope",
        "period",
        "survival_steps",
    ]
    given: dict[str, Any] = {"measure": {"observables": observables}, "grid": {"steps": [9]}, "seeds": 3}
    together, alone = life_plan(tmp_path, law, **given), life_plan(tmp_path, law, **given | {"seeds": 1})
    together.base["motor"] = alone.base["motor"] = motor
    rows = comparable(run_inline(together, tmp_path / "together"))
    for seed, row in enumerate(rows):
        alone.base["seed"] = seed
        (by_itself,) = comparable(run_inline(alone, tmp_path / f"alone{seed}"))
        assert row["observables"] == by_itself["observables"]
        assert row["key"] == by_itself["key"]


def test_measures_of_a_run_are_columns(tmp_path: Path) -> None:
    plan = life_plan(tmp_path, grid={"steps": [6]}, seeds=1, measure={"observables": ["period", "survival_steps", "lyapunov"]})
    plan.base["initial"] = {"kind": "seed"}
    table = run_inline(plan, tmp_path / "out")
    assert table.column("survival_steps") == [0]  # one live cell dies at once
    assert table.column("period") == [2]  # empty states, two steps apart
    assert table.column("lyapunov") == [None]  # minus infinity: nothing in Life grows from one cell
