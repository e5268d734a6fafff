"""Optimizers and schedules of the learning rate, by name."""

import math
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import nn

OptimizerName = Literal["adamw", "adam", "nadam", "radam", "adamax", "rmsprop", "sgd"]
ScheduleName = Literal["cosine", "linear", "exponential", "constant"]

_LEAST = 1e-4  # final share of an exponential fall, which never reaches 0

_OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "sgd": lambda parameters, **given: torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **given),
}

# By name: the factor of the rate after a share of the way (0..1) to a final factor.
SCHEDULES: dict[ScheduleName, Callable[[float, float], float]] = {
    "cosine": lambda past, final: final + (1 - final) * (1 + math.cos(math.pi * past)) / 2,
    "linear": lambda past, final: 1 - (1 - final) * past,
    "exponential": lambda past, final: max(final, _LEAST) ** past,
    "constant": lambda past, final: 1.0,  # noqa: ARG005 - the others need them
}


ADAM_LIKE: tuple[OptimizerName, ...] = ("adamw", "adam", "nadam", "radam", "adamax")


def make_optimizer(
    name: OptimizerName,
    parameters: Iterable[nn.Parameter],
    rate: float,
    weight_decay: float,
    beta2: float | None = None,
    epsilon: float | None = None,
) -> torch.optim.Optimizer:
    """The optimizer of torch with its default settings; "sgd" with Nesterov momentum of 0.9.

    Args:
        beta2, epsilon: of those that have them (`ADAM_LIKE`); None for torch's.
    """
    given = {"betas": None if beta2 is None else (0.9, beta2), "eps": epsilon}
    more = {key: value for key, value in given.items() if value is not None}
    return _OPTIMIZERS[name](parameters, lr=rate, weight_decay=weight_decay, **more)
