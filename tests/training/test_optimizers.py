"""Optimizers, schedules, modes of the compiler and precision, by name."""

import math
from typing import Any, get_args

import pytest
import torch
from torch import nn

from aetheria.core.errors import ConfigError
from aetheria.laws import MLP
from aetheria.training import setup_training
from aetheria.training.optim_config import OptimConfig
from aetheria.training.optimizers import SCHEDULES, OptimizerName, ScheduleName, make_optimizer
from aetheria.training.trainer import compiled, rate


@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_each_optimizer_goes_downhill(name: OptimizerName) -> None:
    weight = nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = make_optimizer(name, [weight], 0.05, 0.0)
    for _ in range(40):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert float(weight.detach().square().sum()) < 10


@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_beta2_and_epsilon_are_of_the_optimizers_that_have_them(name: OptimizerName) -> None:
    weight = nn.Parameter(torch.zeros(2))
    if name in ("rmsprop", "sgd"):
        for key in ("beta2", "epsilon"):
            with pytest.raises(ConfigError, match=rf"\[train\] {key}: .*{name} has none; expected .*adamw"):
                OptimConfig.checked({"steps": 1, "optimizer": name, key: 0.9}, "train")
        return
    optim = OptimConfig(steps=1, optimizer=name, beta2=0.98, epsilon=1e-13)
    defaults = make_optimizer(name, [weight], 0.1, 0.0, optim.beta2, optim.epsilon).defaults
    assert (defaults["betas"], defaults["eps"]) == ((0.9, 0.98), 1e-13)
    defaults = make_optimizer(name, [weight], 0.1, 0.0).defaults
    assert (defaults["betas"], defaults["eps"]) == ((0.9, 0.999), 1e-8)


def test_a_small_epsilon_lets_tiny_gradients_count() -> None:
    moved = []
    for epsilon in (None, 1e-13):
        weight = nn.Parameter(torch.zeros(1))
        optimizer = make_optimizer("adamw", [weight], 0.1, 0.0, epsilon=epsilon)
        weight.grad = torch.full((1,), 1e-11)
        optimizer.step()
        moved.append(-float(weight.detach()))
    assert moved[0] < 1e-3
    assert moved[1] == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("schedule", get_args(ScheduleName))
def test_each_schedule_falls_from_the_highest_rate_to_the_last(schedule: ScheduleName) -> None:
    optim = OptimConfig(steps=110, warm_up=10, final_rate=0.1, schedule=schedule)
    assert rate(4, optim) == 0.5
    rates = [rate(step, optim) for step in range(10, 111)]
    assert rates[0] == 1
    assert rates[-1] == pytest.approx(1 if schedule == "constant" else 0.1)
    assert rates == sorted(rates, reverse=True)


def test_schedules_at_the_middle() -> None:
    middle = {name: fall(0.5, 0.01) for name, fall in SCHEDULES.items()}
    assert middle == pytest.approx({"cosine": 0.505, "linear": 0.505, "exponential": 0.1, "constant": 1})
    assert math.isfinite(SCHEDULES["exponential"](1, 0))


@pytest.mark.parametrize(("given", "mode"), [(True, None), ("default", "default"), ("max-autotune", "max-autotune")])
def test_the_compiler_gets_its_mode(given: Any, mode: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def compile_(law: nn.Module, mode: str | None) -> nn.Module:
        seen.append(mode)
        return law

    monkeypatch.setattr(torch, "compile", compile_)
    compiled(MLP(2), OptimConfig(steps=1, compile=given).compile)
    assert seen == [mode]


def test_unknown_names_are_refused() -> None:
    for key in ("optimizer", "schedule", "compile", "precision"):
        with pytest.raises(ConfigError, match=key):
            OptimConfig.checked({"steps": 1, key: "fastest"}, "train")


def test_precision_left_out_is_fp32_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert setup_training(MLP(2), device="cpu", precision=None).precision == "fp32"


@pytest.mark.gpu
def test_precision_left_out_is_automatic_on_a_gpu() -> None:
    assert setup_training(MLP(2), device="cuda", precision=None) == setup_training(MLP(2), device="cuda", precision="auto")
