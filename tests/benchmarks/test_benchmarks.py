"""Benchmarks at a tiny size, without asserting times; and peers that compute the same as ours."""

import importlib
import importlib.util
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aetheria.diagnostics import bench
from aetheria.laws import ConvLSTM, GrowingNCA
from aetheria.stepping import compiled
from benchmarks import split_memory
from benchmarks.accuracy import drift, quantised, unitarity
from benchmarks.harness import measurements, peers
from benchmarks.harness.cases import CASES, Job, build, cells_for, motor_for
from benchmarks.harness.convolutions import convolutions_of
from benchmarks.harness.measurements import Measurements, Options
from benchmarks.harness.peers import rate
from benchmarks.harness.plain import cells_of, plain_loop, plain_state, plain_step
from benchmarks.harness.processes import ROOT, Measurement, UnavailableError, run_isolated
from benchmarks.harness.targets import Target, targets
from benchmarks.speed import (
    acorn,
    continuous,
    first_step,
    headless,
    large_grid,
    nca,
    passes,
    recording_cost,
    rings,
    serving,
    shares,
    stepping,
    universes,
    watching,
    winograd,
)
from benchmarks.training import reading, steps

needs_cax = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("cax", "jax", "flax")),
    reason="CAX is not installed: pip install -e '.[bench]'",
)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run here, without seconds of start-up each, and nothing is compiled; CAX, whose threads would stay, is left out."""

    def call(task: str, environment: object = None, **arguments: Any) -> Measurement:
        module, _, function = task.partition(":")
        if arguments.get("contestant") == "CAX":
            return {"missing": "not installed"}
        return getattr(importlib.import_module(module), function)(**arguments)

    for module in (measurements, first_step):
        monkeypatch.setattr(module, "run_isolated", call)
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    monkeypatch.setattr(bench, "CEILING_S", 0.01)


# -- peers compute what we do ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_plain_loop_computes_what_the_law_does(name: str) -> None:
    law = build(name, **({"fire_rate": 1.0, "weights": drift.LIZARD} if name == "GrowingNCA" else {})).eval()
    cells = cells_for(Job("ours", name, 32), law)
    if isinstance(law, GrowingNCA):
        cells = torch.rand(cells.shape, generator=torch.Generator().manual_seed(1)) / 2
    memory = law.initial_memory(cells) if isinstance(law, GrowingNCA | ConvLSTM) else ()
    with torch.no_grad():
        plain = plain_loop(plain_step(law), plain_state(law, cells, memory), 3)
        ours = (cells, *memory)
        for _ in range(3):
            out = law(*ours)
            ours = out if isinstance(out, tuple) else (out,)
    assert not torch.equal(ours[0], cells)
    scale = float(ours[0].abs().max())
    torch.testing.assert_close(cells_of(plain), ours[0], rtol=0, atol=0 if name == "Life" else 1e-5 * scale)
    if isinstance(law, ConvLSTM):
        torch.testing.assert_close(plain[1:], ours[1:])


def test_a_model_is_wrapped_within_the_plain_loop() -> None:
    law = build("MLP")
    seen: list[torch.dtype] = []

    def wrap(model: Any) -> Any:
        def watched(*state: Any) -> Any:
            seen.append(state[0].dtype)
            return model(*state)

        return watched

    with torch.no_grad():
        plain_step(law, wrap)(*plain_state(law, cells_for(Job("plain", "MLP", 8), law), ()))
    assert seen == [torch.float32]  # the network gets real channels; the update around it is complex


def test_the_compiled_peer_computes_what_the_law_does() -> None:
    law = build("Life")
    cells = cells_for(Job("compiled", "Life", 16), law)
    with torch.no_grad():
        step = plain_step(law, partial(peers._compiled, graphs=False))
        after = plain_loop(step, plain_state(law, cells, ()), 2)
        assert torch.equal(cells_of(after), law(law(cells)))
    assert not torch.equal(cells_of(after), cells)


@needs_cax
def test_cax_computes_what_the_law_does() -> None:
    tolerance = {"Life": 0.0, "Lenia": 1e-4}
    theirs = run_isolated("benchmarks.harness.cax_peer:cells_after", laws=list(tolerance), side=48, steps=4)
    for name, atol in tolerance.items():
        motor = motor_for(Job("ours", name, 48, plan="eager"))
        before = motor.cells
        motor.step(4)
        assert not torch.equal(motor.cells, before)
        np.testing.assert_allclose(np.asarray(theirs[name])[..., 0], motor.cells[0, 0].numpy(), rtol=0, atol=atol)


@needs_cax
def test_a_contestant_answers_from_a_process_of_its_own() -> None:
    found = run_isolated("benchmarks.harness.peers:rate", seconds=0.01, **asdict(Job("CAX", "GrowingNCA", 16)))
    assert found["plan"].startswith("jax ")
    assert found["seconds"] > 0


def test_a_process_that_fails_says_why() -> None:
    assert run_isolated("benchmarks.nowhere:rate") == {"missing": "ModuleNotFoundError: No module named 'benchmarks.nowhere'"}


def test_cax_is_not_asked_for_laws_that_it_does_not_have() -> None:
    with pytest.raises(UnavailableError, match="not in CAX"):
        rate(0.01, **asdict(Job("CAX", "MLP", 16)))


def test_the_convolutions_alone_are_those_of_the_law() -> None:
    law = build("UNet")
    calls = convolutions_of(law, (torch.zeros(1, 16, 16, 16),))
    layers = [layer for layer in law.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert sorted(tuple(call[1].shape) for call in calls) == sorted(tuple(layer.weight.shape) for layer in layers)
    found = rate(0.01, **asdict(Job("convolutions", "UNet", 16, "bf16")))
    assert found["reason"] == f"{len(layers)} calls"


# -- the scripts -------------------------------------------------------------------------------------------------


def test_the_headless_benchmark_prints_a_row_for_each_law(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["headless", "--side", "32", "--steps", "2", "--repeats", "1", "--no-start-up"])
    headless.main()
    out = capsys.readouterr().out
    assert all(f"\n| {name} | " in out for name in headless.LAWS)
    assert "torch" in out.splitlines()[2]


@pytest.mark.usefixtures("in_this_process")
def test_the_benchmark_of_first_steps_fills_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    out = tmp_path / "first_step.md"
    monkeypatch.setattr("sys.argv", ["first_step", "--laws", "Life", "GrowingNCA", "--sides", "16", "32", "--out", str(out)])
    first_step.main()
    rows = [line.split(" | ") for line in out.read_text().splitlines() if line.startswith(("| Life", "| GrowingNCA"))]
    assert [row[1] for row in rows] == ["packed", "eager", "packed", "fused"]
    assert all(len(row) == 9 for row in rows)


@pytest.mark.usefixtures("in_this_process")
def test_the_stepping_benchmark_fills_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stepping.md"
    arguments = ["--quick", "--laws", "GrowingNCA", "Life", "--plan", "eager", "--device", "cpu", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["stepping", *arguments])
    stepping.main()
    text = out.read_text()
    assert capsys.readouterr().out == text
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert list(sections) == list(stepping._NOTES)
    for title in ("Rates", "Peers", "Batches", "The motor's loop", "First step"):
        assert "| Life | " in sections[title]
        assert "| GrowingNCA | " in sections[title]
    assert "| GrowingNCA | eager | " in sections["Recorder"]
    assert "| Life | 32^2 | fp32 | CAX | not installed | " in sections["Peers"]
    assert "| not measured |" in sections["Targets"]  # these grids are not the targets'


def test_the_drift_benchmark_prints_a_row_for_each_precision_and_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "drift.md"
    arguments = ["--side", "32", "--steps", "1", "3", "--laws", "MLP", "Life", "--plan", "eager", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["drift", *arguments, "--precisions", "fp32", "bf16"])
    drift.main()
    rows = [line.split(" | ") for line in out.read_text().splitlines() if line.startswith(("| MLP", "| Life"))]
    assert [(row[0][2:], row[1], row[3]) for row in rows] == [
        ("MLP", "fp32", "1"), ("MLP", "bf16", "1"), ("MLP", "fp64, nudged", "1"),
        ("MLP", "fp32", "3"), ("MLP", "bf16", "3"), ("MLP", "fp64, nudged", "3"),
        ("Life", "fp32", "1"), ("Life", "fp32", "3"),
    ]  # fmt: skip
    assert [row[4] for row in rows[-2:]] == ["0.0e+00"] * 2  # Life is exact


def test_the_small_benchmarks_print_what_they_find(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["acorn", "--side", "128", "--steps", "10", "--device", "cpu"])
    acorn.main()
    assert "128^2, plan packed: " in capsys.readouterr().out
    monkeypatch.setattr(large_grid, "run_isolated", lambda _, side: large_grid.on_grid(side))
    monkeypatch.setattr("sys.argv", ["large_grid", "--sides", "128"])
    large_grid.main()
    assert "\n| 128^2 | 0 | " in capsys.readouterr().out
    monkeypatch.setattr(rings, "milliseconds", lambda radius, side, _: (side, radius))
    monkeypatch.setattr("sys.argv", ["rings", "--sides", "64", "--radii", "13"])
    rings.main()
    assert "| 13 | 516 | 64^2 | 64 | 13 | 4.92 |" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    assert min(rings.milliseconds(5, 32, 0.01)) > 0


def test_norm_and_reversal_of_unitary_laws_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "unitarity.md"
    monkeypatch.setattr("sys.argv", ["unitarity", "--steps", "20", "--back", "5", "--out", str(out)])
    unitarity.main()
    rows = [[cell.strip(" |") for cell in line.split(" | ")] for line in out.read_text().splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == list(unitarity.CASES)
    for row in rows[2:]:
        assert row[1] == "20"
        assert float(row[2]) < 1e-5
        assert row[4] == "0, every bit" if row[0].startswith("Learned") else 0 < float(row[4]) < 1e-5


def test_weights_in_eight_bits_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "quantised.md"
    arguments = ["--laws", "MLP", "GrowingNCA", "--side", "16", "--steps", "1", "2", "--timed", "2", "--repeats", "1"]
    monkeypatch.setattr("sys.argv", ["quantised", *arguments, "--arithmetic", "0", "--out", str(out)])
    quantised.main()
    rows = [[cell.strip(" |") for cell in line.split(" | ")] for line in out.read_text().splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == ["MLP", "GrowingNCA"]
    for row in rows[2:]:
        assert 2 < float(row[3]) < 4  # biases and the header are not in eight bits
        assert 1e-3 < float(row[4]) < 1e-2  # a row's largest weight / 127, rounded: about 1 % over root 12
        assert 0 < float(row[5]) < 0.1


def test_the_share_that_pays_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["shares", "--side", "16", "--rounds", "3", "--laws", "a convolution and ReLU"])
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    shares.main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| a conv")]
    assert [row[:2] for row in rows] == [["| a convolution and ReLU", "1.00"]]
    assert min(float(figure.strip(" |")) for figure in rows[0][2:]) > 0


def test_minimal_filtering_is_measured_against_direct_convolutions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["winograd", "--rounds", "1", "--shrink", "16"])
    monkeypatch.setattr(winograd, "LAYERS", ((64, 16, 32), (128, 32, 16)))
    monkeypatch.setattr(winograd, "UPSAMPLED", ((64, 32, 16, 16, 16),))
    monkeypatch.setattr(winograd, "POINTS", winograd.POINTS[-2:])
    threads = torch.get_num_threads()
    winograd.main()
    torch.set_num_threads(threads)
    said = capsys.readouterr().out
    assert "| 4^2 | 16 to 32 |" in said
    assert "| F(4x4) at 0.667, 1.5 | 1/4 |" in said
    # In exact arithmetic every way is the convolution.
    for way in (winograd.two(), *(winograd.four(a, b) for a, b in winograd.POINTS)):
        assert winograd.rounding(way, way, torch.float32, 4, 3) < 1e-4


def test_being_watched_is_measured_with_what_left_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "watching.md"
    arguments = ["--laws", "MLP", "--side", "32", "--seconds", "0.02", "--steps", "10", "--device", "cpu", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["watching", *arguments])
    watching.main()
    cost, memory = (
        [cell.strip(" |") for cell in line.split(" | ")] for line in out.read_text().splitlines() if "| MLP" in line
    )
    assert cost[1:3] == ["32^2", "fused"]
    assert cost[7] == "0"  # bytes, with nobody looking
    assert float(cost[9]) == pytest.approx(int(cost[3]) * 32 * 32 * 4 / 1e6, abs=0.06)
    assert memory[1:3] == ["8^2", "0.0"]


def test_a_served_run_is_measured_with_readers_of_which_some_are_slow() -> None:
    kept, _, own, beside, sent = serving.cost(Job("ours", "Life", 32), 0.05, 2, 3, 1)[4:]
    assert float(kept) > 0
    assert float(own) > 0
    assert beside.endswith("%")
    assert float(sent) >= 0


def test_the_viewer_is_measured(tmp_path: Path) -> None:
    # In a process of its own, as Qt wants the main thread and an event loop to itself.
    out = tmp_path / "viewer.md"
    command = [sys.executable, "-m", "benchmarks.viewer.responsiveness", "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    tables = out.read_text()
    assert tables.count("\n## ") == 6
    hidden = next(line for line in tables.splitlines() if line.startswith("| GrowingNCA")).split(" | ")
    assert hidden[6] == "0"  # bytes, with the window minimised


def test_the_memory_of_a_process_is_compared_with_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {1: [{"cells": 1 << 20, "mib": 80.0}], 2: [{"cells": 600_000, "mib": 30.0}, {"cells": 590_000, "mib": 40.0}]}
    monkeypatch.setattr(split_memory, "_measure", lambda _, processes: found[processes])
    rows = split_memory.rows_of(2, [1, 2])
    assert [row[2:] for row in rows] == [["1", "1,048,576", "64", "80", "1.00"], ["2", "600,000", "37", "40", "0.50"]]


def test_drift_is_measured_against_the_size_of_the_cells() -> None:
    exact = torch.tensor([3.0, 4.0, 0.0, 0.0], dtype=torch.float64)  # root mean square 2.5
    largest, rms = drift.relative_difference(exact.float() + torch.tensor([0.0, 0.5, 0.0, 0.0]), exact)
    assert (largest, rms) == (pytest.approx(0.2), pytest.approx(0.1))
    cells = torch.cat([torch.zeros(100), torch.randn(1000, generator=torch.Generator().manual_seed(0))]).double()
    nudged = drift.nudged_cells(cells)
    assert drift.relative_difference(nudged, cells)[1] == pytest.approx(1e-6, rel=0.1)
    assert not nudged[:100].any()


# -- what is made of the measurements --------------------------------------------------------------------------------


def found_with(seconds: dict[Job, float]) -> Measurements:
    facts = {"plan": "eager", "traffic": 1000, "flops": 0, "peak": 1}
    return Measurements(Options("cpu", list(CASES)), {job: [{"seconds": s, **facts}] for job, s in seconds.items()})


def target(all_targets: list[Target], words: str) -> Target:
    return next(one for one in all_targets if words in one.name)


def test_targets_are_computed_from_the_medians_of_the_run() -> None:
    ours, peer = Job("ours", "MLP", 256), Job("plain", "MLP", 256)
    run = found_with({ours: 1.0, peer: 7.0})
    run.sizes["MLP"] = {"1 x 256^2": 8.0, "1 x 2048^2": 6.4}
    run.rates[peer] += [{"seconds": 5.0}, {"seconds": 5.5}, {"missing": "killed by signal 9"}]
    against = target(targets(run), "MLP, fp32, 256^2: against the plain loop")
    assert (against.value, against.measured, against.met) == (6, 5.5, False)
    large = target(targets(run), "MLP: throughput at 2048^2")
    assert (large.measured, large.met) == (pytest.approx(0.8), False)
    assert target(targets(run), "UNet, bf16").met is None


def test_grids_that_would_take_too_long_are_skipped_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Job] = []

    def answer(task: str, seconds: float, **job: Any) -> Measurement:
        measured.append(Job(**job))
        return {"seconds": Job(**job).cells * 1e-6, "plan": "eager"}

    monkeypatch.setattr(measurements, "run_isolated", answer)
    run = Measurements(Options("cpu", ["MLP"], longest=2.0))
    run.measure_rates("MLP")
    assert [job.side for job in measured if job.contestant == "ours" and job.precision == "fp32"] == [256, 256, 64, 1024]
    assert run.missing(Job("ours", "MLP", 2048)) == "skipped: about 4 s/step"


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def answer(task: str, contestant: str, **_: object) -> Measurement:
        order.append(contestant)
        return {"seconds": 1.0, "plan": ""}

    monkeypatch.setattr(measurements, "run_isolated", answer)
    Measurements(Options("cpu", ["Life"], sides=[32])).measure_rates("Life")
    assert order == ["ours", "plain", "compiled", "CAX", "plain", "compiled", "CAX", "ours"]


def test_training_steps_are_timed_in_turns_and_learn() -> None:
    contestants = {
        name: steps.trainer(loss, 1, 2, 8, 4, 8, torch.channels_last)
        for name, loss in (("plain", steps.plain), ("ours", steps.ours))
    }
    assert all(train() > train() for train in contestants.values())
    lines = steps.table(steps.measure(contestants, 2))
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| plain", "| ours"]


def test_reading_is_measured_on_a_recording_that_does_not_compress(tmp_path: Path) -> None:
    reading.record_noise(tmp_path / "noise.h5", 8, 16, 4)
    assert (tmp_path / "noise.h5").stat().st_size > 8 * 4 * 4 * 16**2 / 2
    above, waiting = reading.measure(tmp_path / "noise.h5", steps=2, batch=2, rollout=3)
    assert above < 300
    assert 0 <= waiting <= 1


def test_the_cost_of_recording_is_reported_by_parts_and_against_another_checkout() -> None:
    found = recording_cost.compare([ROOT, ROOT], {"Life 64^2": 3}, rounds=1, side=16)
    ((other, this),) = found["Life 64^2"]
    for one in (other, this):
        assert 0 < sum(one[part] for part in ("finite check", "space check", "append", "checksums")) < 2 * one["commit"]
    other.update(commit=0.002, process=0.004)
    this.update(commit=0.001, process=0.005)
    lines = recording_cost.lines_of(found)
    assert lines[-1] == "- Life 64^2: a commit -50.0% (-50.0% to -50.0%), a frame with its steps +25.0% (+25.0% to +25.0%)."
    assert [line.split(" | ")[1:3] for line in lines[2:4]] == [
        ["this", f"1.00 ({1e3 * this['wall']:.2f})"],
        ["the other", f"2.00 ({1e3 * other['wall']:.2f})"],
    ]


@pytest.mark.usefixtures("in_this_process")
def test_continuous_laws_are_timed_where_cax_is_not_installed_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["continuous", "--quick"])
    continuous.main()
    printed = capsys.readouterr().out
    for case in continuous.CASES:
        assert f"| {case} | 32^2 | fused |" in printed


@pytest.mark.usefixtures("in_this_process")
def test_laws_in_passes_are_timed_beside_a_copy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["passes", "--quick", "--laws", "Kuramoto"])
    passes.main()
    assert "| Kuramoto | 16 x 16 | fused |" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_configurations_of_the_nca_are_timed_beside_growing_nca(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["nca", "--quick", "--cases", "texture", "growing, three axes", "steerable", "SiLU"])
    nca.main()
    printed = capsys.readouterr().out
    assert "| texture | 16 x 16 | 5,760 |" in printed
    assert "| growing, three axes | 8 x 8 x 8 | 10,240 |" in printed
    assert "| steerable | 16 x 16 |" in printed
    assert "| SiLU | 16 x 16 | 8,192 |" in printed


def test_numbers_by_universe_are_timed_beside_one_motor_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["universes", "--quick", "--laws", "GrowingNCA"])
    universes.main()
    printed = capsys.readouterr().out
    assert "| GrowingNCA | fire_rate | fused |" in printed
    assert "| GrowingNCA | fire_rate | eager |" in printed
