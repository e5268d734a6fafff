"""A GPU as its users meet it: every plan and precision, edits, readers, pacing, and the tools around the motor.

Those for "cpu" prove the tests themselves, and what does not depend on the device.
"""

import threading
import time
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aetheria.core.precision import Precision
from aetheria.diagnostics.bench import measure_motor
from aetheria.diagnostics.doctor import examine, healthy
from aetheria.diagnostics.profile_run import profile_run
from aetheria.laws import Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig, load_config
from aetheria.runs.run import build_motor
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.cuda_graph import LENGTHS, Graphed
from aetheria.training.setup import setup_training
from tests.paths import ROOT
from tests.small_laws import fresh, small_law, stepper, width_of

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
on_each_device = pytest.mark.parametrize("device", DEVICES)
GRID = (32, 40)
# Share of the norm by which cells may differ from eager steps in float64 on the CPU, after two steps.
NEAR: dict[Precision, float] = {"fp32": 1e-4, "tf32": 3e-2, "bf16": 1e-1, "fp64": 1e-12}
PLANS = {
    "MLP": "fused",
    "DEEP_QCA": "fused",
    "GrowingNCA": "fused",
    "UNet": "graphed",
    "ConvLSTM": "graphed",
    "Lenia": "graphed",
}


def motor_of(law: nn.Module, device: str, plan: str = "auto", **settings: Any) -> Aetheria_Motor:
    """A motor with its plan, which one of "auto" would make after a number of eager steps."""
    motor = Aetheria_Motor(law, GRID, width_of(law), device, {"plan": plan, **settings}, seed=7, initial="noise")
    if device == "cuda":
        motor.warm_up()
    return motor


def far(one: Tensor, other: Tensor) -> float:
    """The norm of the difference, over that of the second."""
    other = other.double().cpu()
    return float((one.double().cpu() - other).norm() / other.norm().clamp_min(1e-30))


def with_plans() -> list[Any]:
    """(law, plan, device): each plan of a GPU, and on the CPU "eager" in its place."""
    laws = [(name, plan) for name, best in PLANS.items() for plan in dict.fromkeys((best, "graphed", "compiled"))]
    return [("MLP", "eager", "cpu"), *(pytest.param(*one, "cuda", marks=pytest.mark.gpu) for one in laws)]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize(("name", "plan", "device"), with_plans())
def test_every_plan_stays_near_the_law_in_every_precision(name: str, plan: str, device: str, precision: Precision) -> None:
    law, exact = small_law(name), small_law(name)
    assert isinstance(law, Law)
    cells, *memory = fresh(law, GRID)
    motor = motor_of(law, device, plan, precision=precision)
    motor.load_state_dict({"cells": cells.float(), "memory": memory, "step": 0, "seed": 7})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        motor.step(2)
    assert motor.plan is not None
    assert motor.plan.name == plan
    step, state = stepper(exact.double().eval()), (cells, *memory)
    for number in range(2):
        state = step(state, number)
    assert far(motor.cells, state[0]) < NEAR[precision]


@on_each_device
def test_switching_between_fp32_and_tf32_changes_the_products_there_and_back(device: str) -> None:
    law = small_law("MLP", hidden_channels=64)
    motor = motor_of(law, device, "eager" if device == "cpu" else "fused")
    first = motor.state_dict()
    found = {}
    for precision in ("fp32", "tf32", "fp32 again"):
        motor.optimizer.precision = "tf32" if precision == "tf32" else "fp32"
        motor.load_state_dict(first)
        motor.step(4)
        found[precision] = motor.cells
    assert torch.equal(found["fp32"], found["fp32 again"])
    assert torch.equal(found["fp32"], found["tf32"]) == (device == "cpu")
    assert far(found["tf32"], found["fp32"]) < NEAR["tf32"]


@on_each_device
def test_two_motors_of_one_lenia_step_as_each_alone(device: str) -> None:
    law, alone = small_law("Lenia"), motor_of(small_law("Lenia"), device, "eager")
    first = motor_of(law, device)
    first.step(LENGTHS[0] + 1)
    second = motor_of(law, device)
    ballast = torch.ones(1 << 20, device=device)  # where memory that was freed would be given out again
    second.step(3)
    first.step(LENGTHS[0] + 1)
    alone.step(2 * LENGTHS[0] + 2)
    assert far(first.cells, alone.cells) < 1e-3
    assert bool(ballast.all())


@on_each_device
def test_a_lenia_with_another_radius_steps_by_its_new_kernel(device: str) -> None:
    laws: list[Any] = [small_law("Lenia"), small_law("Lenia")]
    motors = [motor_of(law, device, plan) for law, plan in zip(laws, ("auto", "eager"), strict=True)]
    for motor, law in zip(motors, laws, strict=True):
        motor.step(5)
        law.R = 6
        motor.step(5)
    assert far(motors[0].cells, motors[1].cells) < 1e-3


class Waits(nn.Module):
    """A step that waits for the device, which no graph can hold and no compiler can see through."""

    channels = 1

    def forward(self, cells: Tensor) -> Tensor:
        return cells * 0.5 if float(cells.sum()) < 1e9 else cells


@on_each_device
def test_after_a_capture_that_fails_steps_and_readers_go_on(device: str) -> None:
    settings = {"plan": "eager" if device == "cpu" else "auto", "empty_cache_interval": 2}
    motor = Aetheria_Motor(Waits(), 8, 1, device, settings, initial=torch.ones(1, 8, 8))
    stream = torch.cuda.current_stream() if device == "cuda" else None
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        motor.step(3)
    assert device == "cpu" or torch.cuda.current_stream() == stream
    motor.step(3)
    assert float(motor.cells.max()) == 0.5**6
    other = motor_of(small_law("MLP"), device, "eager" if device == "cpu" else "graphed")
    other.step(3)
    assert bool(other.cells.isfinite().all())


class Draws(nn.Module):
    """A step that draws random numbers of its own."""

    channels = 1

    def forward(self, cells: Tensor) -> Tensor:
        return cells + torch.rand_like(cells)


@on_each_device
def test_a_law_that_draws_its_own_numbers_draws_those_of_the_plain_loop(device: str) -> None:
    motor = Aetheria_Motor(
        Draws(), 8, 1, device, {"plan": "auto" if device == "cuda" else "eager"}, initial=torch.zeros(1, 8, 8)
    )
    torch.manual_seed(3)
    motor.step(LENGTHS[0] + 3)
    torch.manual_seed(3)
    cells = torch.zeros(1, 1, 8, 8, device=device)
    for _ in range(LENGTHS[0] + 3):
        cells = Draws()(cells)
    assert torch.equal(motor.cells, cells)
    assert not isinstance(motor.plan, Graphed)


@on_each_device
def test_random_cells_fire_alike_in_graphs_of_any_length(device: str) -> None:
    whole, parts = (motor_of(small_law("GrowingNCA"), device, "eager" if device == "cpu" else "fused") for _ in range(2))
    whole.step(LENGTHS[0] + 7)
    for steps in (1, 3, LENGTHS[0], 3):
        parts.step(steps)
    assert torch.equal(whole.cells, parts.cells)
    assert all(map(torch.equal, whole.memory, parts.memory))


@on_each_device
def test_another_thread_reads_whole_states_while_steps_are_taken(device: str) -> None:
    class Counts(nn.Module):
        channels = 1

        def forward(self, cells: Tensor) -> Tensor:
            return cells + 1

    plan = "eager" if device == "cpu" else "graphed"
    motor = Aetheria_Motor(Counts(), 64, 1, device, {"plan": plan}, initial=torch.zeros(1, 64, 64))
    motor.warm_up()
    wrong: list[Tensor] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with motor.turn:
                cells, step = motor.cells, motor.step_count
            if not bool((cells == step).all()):
                wrong.append(cells)
            frame = motor.look(motor.request(size=8))
            if float(frame["channel_0"].min()) != float(frame["channel_0"].max()) or frame["channel_0"].max() != frame.step:
                wrong.append(torch.as_tensor(frame["channel_0"]))

    reader = threading.Thread(target=read)
    reader.start()
    ends = time.monotonic() + 0.3
    motor.step(1 << 40, until=lambda: time.monotonic() > ends)
    done.set()
    reader.join()
    assert not wrong


@pytest.mark.gpu
def test_chunks_settle_on_a_gpu() -> None:
    motor = motor_of(small_law("GrowingNCA"), "cuda", check_interval=0, empty_cache_interval=0)
    motor.step(5000)
    pace, chunks = motor._loop._pace, []
    plain = pace.took

    def took(steps: int, seconds: float, rate: float = 0.0) -> None:
        chunks.append(steps)
        plain(steps, seconds, rate)

    pace.took = took  # type: ignore[method-assign]
    ends = time.monotonic() + 2
    motor.step(1 << 40, until=lambda: time.monotonic() > ends)
    assert max(chunks[5:]) < 1.5 * min(chunks[5:])


CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.toml"))


@pytest.mark.gpu
@pytest.mark.parametrize("name", CONFIGS)
def test_a_shipped_config_steps_by_the_best_plan_without_a_warning(name: str) -> None:
    config = load_config(ROOT / "configs" / f"{name}.toml")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        motor = build_motor(config.model_copy(update={"steps": 10**9}), "cuda")
        plan = motor.warm_up()
        motor.step(LENGTHS[0] + 1)
    # Graphs hold no phases. Nor do they hold state that modules keep themselves, or draw random numbers.
    expected = Graphed if motor.traits.phases == 1 else Compiled
    assert isinstance(plan, expected), plan.reason
    assert bool(motor.cells.isfinite().all())


# -- tools -------------------------------------------------------------------------------------------------------------

RUN: dict[str, Any] = {
    "steps": 6,
    "grid": {"height": 16, "width": 16},
    "law": {"name": "MLP", "d_state": 2, "hidden_channels": 4},
    "record": {"every": 2, "fields": ["density"]},
}


@pytest.mark.gpu
def test_the_doctor_finds_a_gpu_healthy() -> None:
    results = list(examine())
    assert healthy(results), [result for result in results if not result.good]
    assert {"fused = eager on cuda:0", "Life on cuda:0", "plan for MLP on cuda:0"} <= {result.name for result in results}


@pytest.mark.gpu
def test_bench_and_profile_know_the_time_of_a_gpu() -> None:
    motor = motor_of(small_law("UNet"), "cuda")
    assert measure_motor(motor, 0.1).seconds > 0
    found = profile_run(RunConfig.checked(RUN, "run"), device="cuda", steps=20)
    for part in (found.whole, found.parts):
        device_s = sum(operator.seconds for operator in part.operators)
        assert 0 < device_s < 1.5 * part.seconds, "time of the device is counted once"


@pytest.mark.parametrize("device", DEVICES)
def test_scaled_gradients_in_half_precision_change_the_weights(device: str) -> None:
    law = nn.Conv2d(1, 1, 3, padding=1)
    setup = setup_training(law, device=device, precision="bf16" if device == "cpu" else "fp16")
    scaler, optimizer = setup.scaler(), torch.optim.SGD(law.parameters(), 0.1)
    assert scaler.is_enabled() == (device == "cuda")
    before = law.weight.detach().clone()
    with setup.numerics(), setup.autocast():
        loss = law(torch.ones(1, 1, 4, 4, device=device)).square().mean()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    assert all(bool(parameter.grad.isfinite().all()) for parameter in law.parameters() if parameter.grad is not None)
    scaler.step(optimizer)
    scaler.update()
    assert not torch.equal(law.weight.detach(), before)
