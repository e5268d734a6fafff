"""Profiles: stages, operators, memory, and the trace."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # by torch's stubs
from torch.autograd.profiler_util import FunctionEvent

from aetheria import MLP, Aetheria_Motor, Life, Recorder
from aetheria.core.errors import ConfigError
from aetheria.diagnostics.bench import Ceilings
from aetheria.diagnostics.profile_run import OperatorTime, Profile, _operators, law_stages, profile, profile_run, tables
from aetheria.diagnostics.profile_training import profile_training
from aetheria.diagnostics.stage_timer import STAGE, StageTime, StageTimer, TimedFunction, timed_stages
from aetheria.laws import updates
from aetheria.laws.neural.growing_nca import GrowingNCA
from aetheria.motor.stepper import Stepper
from aetheria.runs.config import RunConfig
from aetheria.training.train_config import load_training
from tests.cli.test_cli import call
from tests.small_laws import small_law

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
RUN: dict[str, Any] = {
    "steps": 6,
    "device": "cpu",
    "grid": {"height": 16, "width": 16},
    "law": {"name": "MLP", "d_state": 2, "hidden_channels": 4},
    "motor": {"plan": "eager"},
    "record": {"every": 2, "fields": ["density"]},
}


TRAINING = """
[law]
name = "NeuralCA"
values = "bits"
hidden_channels = 8
[data]
recordings = ["run.h5"]
validation = 0.25
[train]
steps = 40
batch = 4
loss = "cross_entropy"
rollout = [1, 2]
horizon = 2
"""
GROWING = """
[law]
name = "GrowingNCA"
channels = 6
hidden_channels = 8
[picture]
path = "dot.png"
grid = [12, 12]
[train]
steps = 40
batch = 2
damaged = 1
pool = 4
rollout = [2, 3]
"""


class Clock:
    """A clock that moves when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("aetheria.diagnostics.stage_timer.time.perf_counter", lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def fail_after(self, seconds: float) -> None:
        self.wait(seconds)
        raise ValueError("no")


def test_a_stage_does_not_count_the_stages_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, timer = Clock(monkeypatch), StageTimer(CPU)
    with timer.stage("outer"):
        clock.wait(1)
        for _ in range(2):
            with timer.stage("inner"):
                clock.wait(10)
                with timer.stage("innermost"):
                    clock.wait(100)
        clock.wait(3)
    assert timer.stages == (StageTime("innermost", 200, 2), StageTime("inner", 20, 2), StageTime("outer", 4, 1))


def test_a_stage_that_fails_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, timer = Clock(monkeypatch), StageTimer(CPU)
    with timer.stage("outer"):
        with pytest.raises(ValueError, match="no"), timer.stage("inner"):
            clock.fail_after(2)
        clock.wait(1)
    assert timer.stages == (StageTime("inner", 2, 1), StageTime("outer", 1, 1))


def test_stages_of_another_thread_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, timer = Clock(monkeypatch), StageTimer(CPU)

    def write() -> None:
        with timer.stage("writes"):
            clock.wait(5)

    with timer.stage("steps"):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert timer.stages == (StageTime("writes", 5, 1, in_background=True), StageTime("steps", 5, 1))


def test_functions_are_restored() -> None:
    class Base:
        def work(self) -> int:
            return 3

    class Derived(Base):
        def fail(self) -> None:
            raise ValueError("no")

    one = Derived()
    before = Base.work, updates.normalised
    functions = [TimedFunction(Base, "work", "a"), TimedFunction(one, "work", "b")]
    with pytest.raises(ValueError, match="no"), timed_stages(functions, CPU) as timer:  # noqa: PT012
        assert one.work() == 3
        one.fail()
    assert {stage.name: stage.calls for stage in timer.stages} == {"a": 1, "b": 1}
    assert (Base.work, updates.normalised) == before
    assert vars(one) == {}
    assert "work" not in vars(Derived)


def test_operators_are_counted_with_their_flops_and_bytes(tmp_path: Path) -> None:
    a, b = torch.rand(2, 64, 32), torch.rand(2, 32, 48)
    trace = tmp_path / "trace.json"
    owner = nn.Module()
    owner.forward = lambda: torch.bmm(a, b).relu_()
    found = profile(lambda: [owner.forward() for _ in range(3)], [TimedFunction(owner, "forward", "product")], CPU, trace)
    product = next(one for one in found.operators if one.name == "aten::bmm")
    assert (product.calls, product.flops) == (3, 3 * 2 * 2 * 64 * 32 * 48)
    assert product.allocated == 3 * 2 * 64 * 48 * 4
    assert product.seconds > 0
    assert [(stage.name, stage.calls) for stage in found.stages] == [("product", 3)]
    assert found.allocated == {"product": product.allocated}
    assert next(one for one in found.operators if one.name == "outside torch: product").calls == 3
    assert found.seconds > 0
    names = [event.get("name") for event in json.loads(trace.read_text())["traceEvents"]]
    assert names.count("stage: product") == 3
    assert names.count("aten::bmm") == 3


def test_every_law_has_stages() -> None:
    law = small_law("MLP").eval()
    cells = torch.rand(1, 4, 8, 8)
    with torch.inference_mode():
        found = profile(lambda: law(cells), law_stages(law), CPU)
    calls = {stage.name: stage.calls for stage in found.stages}
    names = (
        "update",
        "perceive",
        "network",
        "network: norms.0",
        "network: norms.1",
        "network: hidden",
        "network: out",
        "normalise",
    )
    assert calls == dict.fromkeys(names, 1)
    assert "forward" not in vars(law)

    growing = GrowingNCA(6, 8).eval()
    cells = torch.rand(1, 6, 8, 8)
    with torch.inference_mode():
        found = profile(lambda: growing(cells, *growing.initial_memory(cells)), law_stages(growing), CPU)
    calls = {stage.name: stage.calls for stage in found.stages}
    assert calls == {"update": 1, "hash noise": 1, "perceive": 1, "network: hidden": 1, "network: update": 1, "alive mask": 2}


def test_a_run_is_profiled_with_its_recorder_and_the_code_is_restored() -> None:
    before = Stepper.advance
    found = profile_run(RunConfig.checked(RUN, ""), steps=6)
    names = {stage.name: stage for stage in found.whole.stages}
    assert names["fields"].calls == 3
    assert names["recorder"].in_background
    assert not names["step"].in_background
    assert found.report.plan == "eager"
    assert any(one.flops for one in found.parts.operators)
    assert Stepper.advance is before
    assert [table.row_count > 0 for table in tables(found)] == [True] * 3


def test_shares_are_of_the_thread_that_steps() -> None:
    whole = Profile(
        1.0,
        (StageTime("recorder", 9.0, 1, in_background=True), StageTime("step", 3.0, 2), StageTime("fields", 1.0, 2)),
        {"step": 2**20},
        (),
        0,
    )
    report = type("BenchReport", (), {"ceilings": Ceilings(1.0, 4e9), "plan": "eager"})()
    product = Profile(1.0, (), {}, (OperatorTime("aten::mm", 0.5, 1, 2**21, 10**9),), 0)
    found = type("Found", (), {"report": report, "steps": 2, "whole": whole, "parts": product})()
    stage_table, _, _ = tables(found)
    columns = {str(column.header): list(column.cells) for column in stage_table.columns}
    assert columns["share"] == ["background", "75.0%", "25.0%"]
    assert columns["MiB/step"] == ["", "0.50", "0.00"]
    found.whole = product
    *_, operators = tables(found)
    columns = {str(column.header): list(column.cells) for column in operators.columns}
    assert (columns["GFLOP/s"], columns["of product"], columns["MiB/step"]) == (["2"], ["50%"], ["1.00"])


def test_profile_prints_tables_and_leaves_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["profile", "mlp", *(f"--set={key}" for key in ("grid.height=16", "grid.width=16", "motor.plan=eager"))]
    result = call(*arguments, "--device", "cpu", "--steps", "10")
    assert result.exit_code == 0, result.output
    for words in ("law         MLP", "bound", "stages of 10 steps", "recorder", "parts of the law", "normalise", "operators"):
        assert words in result.output
    events = json.loads(Path("runs/mlp-trace.json").read_text())["traceEvents"]
    assert any(event.get("name") == "stage: step" for event in events)
    refused = call(*arguments)
    assert isinstance(refused.exception, ConfigError)
    assert "exists; use --overwrite" in str(refused.exception)
    wrong = call(*arguments, "--trace", "trace.txt")
    assert "ends in .json" in str(wrong.exception)


@pytest.mark.parametrize("text", [TRAINING, GROWING], ids=["recordings", "picture"])
def test_a_training_is_profiled_by_its_stages(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    motor = Aetheria_Motor(Life(), 16, 1, "cpu", {"plan": "eager"}, batch=4)
    with Recorder(motor, tmp_path / "run.h5", fields=["cells"]):
        motor.step(8)
    Image.new("RGBA", (8, 8), "red").save("dot.png")
    Path("training.toml").write_text(text)
    found = profile_training(load_training("training.toml"), steps=5, trace=tmp_path / "trace.json")
    stages = ("wait for data", "rollout and loss", "gradients", "clip, optimizer", "after the step")
    assert {stage.name: stage.calls for stage in found.whole.stages} == dict.fromkeys(stages, 5)
    traced = {event["name"] for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]}
    assert traced >= {f"stage: {name}" for name in stages}
    assert [*tmp_path.rglob("*.pt")] == []
    result = call("profile", "training.toml", "--steps", "1", "--device", "cpu")
    assert result.exit_code == 0, result.output
    for words in ("samples", "GFLOP of products take", "rollout and loss", "aten::", "runs/training-trace.json"):
        assert words in result.output


def test_a_training_without_a_batch_is_not_profiled(tmp_path: Path) -> None:
    (tmp_path / "training.toml").write_text(TRAINING.replace("batch = 4", 'batch = "auto"'))
    with pytest.raises(ConfigError, match=r"as --set train.batch=8"):
        profile_training(load_training(tmp_path / "training.toml"))


def test_the_operations_of_a_training_step_are_those_of_its_products(tmp_path: Path) -> None:
    """Of a perceptron: forwards, backwards to the weights, and backwards to what went in, which the first layer is spared."""
    motor = Aetheria_Motor(MLP(1, 3, normalise="none"), 8, 1, "cpu", {"plan": "eager"}, batch=2)
    with Recorder(motor, tmp_path / "run.h5", fields=["cells"]):
        motor.step(4)
    law = 'name = "MLP"\nd_state = 1\nhidden_channels = 3\nnormalise = "none"'
    text = TRAINING.replace('name = "NeuralCA"\nvalues = "bits"\nhidden_channels = 8', law)
    text = text.replace('"cross_entropy"', '"squared"').replace("[1, 2]", "[1, 1]").replace("0.25", "0.5")
    (tmp_path / "training.toml").write_text(text)
    found = profile_training(load_training(tmp_path / "training.toml"), steps=1)
    sizes = [weight.numel() for weight in MLP(1, 3).parameters() if weight.ndim > 1]
    assert found.flops == 2 * (4 * 8 * 8) * (3 * sum(sizes) - sizes[0])


# -- on a GPU ----------------------------------------------------------------------------------------------------------


def on_device(name: str, start: float, end: float, *, annotation: bool = False) -> FunctionEvent:
    """An event of the device's own, as the profiler lists kernels and what it shows of annotations there."""
    return FunctionEvent(
        1, name, 0, start, end, device_type=DeviceType.CUDA, device_index=0, is_user_annotation=annotation, use_device="cuda"
    )


def test_the_time_of_a_gpu_is_counted_once_by_operator_or_by_kernel() -> None:
    operator = FunctionEvent(2, "aten::mul", 1, 0.0, 9.0, use_device="cuda")
    operator.append_kernel("elementwise", 0, 30.0)
    stage = FunctionEvent(3, f"{STAGE}step", 1, 0.0, 50.0, is_user_annotation=True, use_device="cuda")
    events = [
        stage,
        operator,
        on_device("elementwise", 100.0, 130.0),  # launched by the operator
        on_device("elementwise", 200.0, 230.0),  # of a replayed graph
        on_device("step_cells", 300.0, 400.0),  # our own
        on_device(f"{STAGE}step", 100.0, 400.0, annotation=True),
    ]
    found = {operator.name: (round(operator.seconds * 1e6), operator.calls) for operator in _operators(events, CUDA)}
    assert found == {
        "kernel: step_cells": (100, 1),
        "kernel: elementwise": (30, 1),
        "aten::mul": (30, 1),
        "outside torch: step": (0, 1),
    }
