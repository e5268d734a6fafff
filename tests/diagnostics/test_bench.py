"""`aetheria bench`: what is counted, against figures by hand; what is said; what is refused. No figure of time is looked at."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from aetheria.cli import app
from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError
from aetheria.diagnostics import bench as bench_module
from aetheria.diagnostics.bench import (
    BenchReport,
    Ceilings,
    bench,
    describe,
    flops_per_step,
    seconds_per_step,
    traffic_per_step,
)
from aetheria.laws import MLP, GrowingNCA, Lenia, Life, build_law
from aetheria.runs.config import load_config

CONFIG = """
steps = 60
[grid]
height = 24
width = 32
[law]
name = "mlp"
d_state = 2
hidden_channels = 8
[motor]
plan = "eager"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", *arguments])


def made_up(seconds: float, *, traffic: int = 100, flops: int = 50) -> BenchReport:
    ceilings = Ceilings(bandwidth=1000.0, arithmetic=1000.0)
    return BenchReport("MLP", "cpu", "fp32", (3, 4, 10, 20), "eager", "asked for", seconds, traffic, flops, ceilings)


# -- counting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("perceive", "inputs"), [("self", 4), ("moore", 9 * 4)])
def test_the_operations_of_an_mlp_are_those_of_its_three_matrices(perceive: str, inputs: int) -> None:
    law = build_law("mlp", d_state=2, hidden_channels=8, perceive=perceive)
    by_hand = 2 * (inputs * 8 + 8 * 8 + 8 * 4)  # a multiplication and an addition for each weight, at each cell
    assert flops_per_step(law, (torch.zeros(3, 4, 5, 7),)) == 3 * 5 * 7 * by_hand


def test_the_operations_of_a_growing_nca_are_two_filters_and_two_matrices() -> None:
    law = GrowingNCA(channels=6, hidden_channels=10)
    cells = torch.zeros(1, 6, 8, 8)
    by_hand = 2 * (2 * 9 * 6 + 18 * 10 + 10 * 6)
    assert flops_per_step(law, (cells, *law.initial_memory(cells))) == 64 * by_hand


def test_laws_without_products_have_none_counted_and_stay_as_they_were() -> None:
    assert flops_per_step(Life(), (torch.zeros(1, 1, 8, 8),)) == 0
    law, cells = Lenia(R=3), torch.rand(1, 1, 16, 16)
    before = law(cells)
    assert flops_per_step(law, (cells,)) == 0
    assert torch.equal(law(cells), before)


def test_a_module_that_looks_at_values_has_none_counted() -> None:
    class Looks(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return cells @ cells if cells.max() > 0 else cells

    assert flops_per_step(Looks(), (torch.ones(1, 1, 4, 4),)) == 0


def test_counting_does_not_touch_the_law() -> None:
    law = MLP(2, 8)
    flops_per_step(law, (torch.zeros(1, 4, 8, 8),))
    assert all(parameter.device.type == "cpu" for parameter in law.parameters())


def test_traffic_is_the_state_read_and_written() -> None:
    state = (torch.zeros(2, 3, 5, 7), torch.zeros(2, dtype=torch.int64))
    assert traffic_per_step(state) == 2 * (2 * 3 * 5 * 7 * 4 + 2 * 8)


# -- timing, without a clock -------------------------------------------------------------------------------------


def test_asked_for_steps_are_taken_once_after_a_warm_up() -> None:
    taken: list[int] = []
    assert seconds_per_step(taken.append, steps=7) >= 0
    assert taken == [1, 1, 7]


def test_the_time_of_a_step_is_what_the_clock_says_and_slow_first_steps_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now, taken = 0.0, set[int]()

    def advance(steps: int) -> None:
        nonlocal now
        now += 1e-4 * steps + (0.0 if steps in taken else 7.0)  # the first call with a number of steps compiles
        taken.add(steps)

    monkeypatch.setattr(bench_module, "time", SimpleNamespace(perf_counter=lambda: now))
    assert seconds_per_step(advance, seconds=1.0) == pytest.approx(1e-4)
    assert max(taken) > 1000  # a fifth of a second, to be above the clock's resolution


# -- the report --------------------------------------------------------------------------------------------------


def test_the_bound_is_the_ceiling_that_is_met_first() -> None:
    assert (made_up(1.0).bound, made_up(1.0).bound_seconds) == ("bandwidth", pytest.approx(0.1))
    busy = made_up(1.0, flops=400)
    assert (busy.bound, busy.bound_seconds) == ("arithmetic", pytest.approx(0.4))
    assert busy.cells_per_second == pytest.approx(600)


def test_the_report_says_how_far_the_bound_is() -> None:
    said = describe(made_up(0.2))
    assert said["bound"] == "bandwidth: 100 ms/step at the least; this is 2 times that"
    assert said["rate"] == "200 ms/step, 5 steps/s, 0.003 Mcell/s"
    assert said["law"].endswith("10 x 20 cells, 4 channels, 3 universes")
    assert said["plan"] == "eager: asked for"
    assert "a pass takes several steps" in describe(made_up(0.05))["bound"]
    assert describe(made_up(0.2, flops=0))["arithmetic"] == "no products or convolutions were counted"


def test_a_config_is_measured_as_it_would_run() -> None:
    report = bench(load_config("small.toml", ["batch=2"]), steps=3)
    assert (report.law, report.device, report.precision, report.plan) == ("MLP", "cpu", "fp32", "eager")
    assert report.shape == (2, 4, 24, 32)
    assert report.traffic == 2 * 2 * 4 * 24 * 32 * 4
    assert report.flops == 2 * 24 * 32 * 2 * (36 * 8 + 8 * 8 + 8 * 4)
    figures = (report.seconds, report.ceilings.bandwidth, report.ceilings.arithmetic, report.bound_seconds)
    assert all(math.isfinite(figure) and figure > 0 for figure in figures)


def test_the_command_prints_plan_rate_and_bound_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = call("small.toml", "--steps", "2", "--set", "grid.width=40")
    assert result.exit_code == 0, result.output
    lines = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert lines["law"] == "MLP on cpu, fp32: 24 x 40 cells, 4 channels"
    assert lines["plan"] == "eager: asked for"
    assert "ms/step" in lines["rate"]
    assert lines["bound"].startswith(("bandwidth: ", "arithmetic: "))
    assert sorted(tmp_path.rglob("*")) == before


# -- wrong input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_seconds_must_be_above_zero(seconds: float) -> None:
    with pytest.raises(ConfigError, match=r"seconds: .* expected a finite number above 0"):
        bench(load_config("small.toml"), seconds=seconds)


def test_steps_must_be_one_or_more() -> None:
    with pytest.raises(ConfigError, match="steps: 0 given; expected 1 or more"):
        bench(load_config("small.toml"), steps=0)
    assert call("small.toml", "--steps", "0").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["nowhere.toml"], FileUnreadableError, "no such file"),
        (["small.toml", "--set", "law.name=lief"], ConfigError, "did you mean Life"),
        (["small.toml", "--set", "grid.hieght=3"], ConfigError, "unknown key"),
        (["small.toml", "--device", "cuda:9"], ConfigError, "CUDA devices found"),
        (["small.toml", "--seconds", "0"], ConfigError, "seconds: 0.0 given"),
    ],
)
def test_bad_input_is_named(arguments: list[str], error: type[AetheriaError], words: str) -> None:
    raised = call(*arguments).exception
    assert isinstance(raised, error)
    assert words in str(raised)
