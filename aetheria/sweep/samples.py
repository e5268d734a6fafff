"""Samples of a run: observables at regular steps, and the measures of the run as a whole."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria import measures
from aetheria.core.errors import ConfigError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.fields import weight_of
from aetheria.observe.request import Request, view_of

_STATES = 64  # that a period is looked for in
_LYAPUNOV_STEPS = 100
Statistics = dict[str, float | None]


class Samples:
    """The samples of one universe of a motor."""

    def __init__(self, motor: Aetheria_Motor, names: Sequence[str], universe: int, after: int) -> None:
        """
        Args:
            motor: at its first state.
            names: of observables, and of measures of runs.
            universe: that is sampled; its numbers are those of a batch of one, to the bit.
            after: steps before the first sample that counts for mean and extremes.

        Raises:
            ConfigError: no such observable.
        """
        observed = [name for name in names if name not in measures.OF_RUNS]
        self._of_run = [name for name in names if name in measures.OF_RUNS]
        self._request = _request(motor, observed, universe) if observed else None
        self._motor, self._universe, self._after = motor, universe, after
        self._steps: list[int] = []
        self._values: dict[str, list[float]] = {}
        self._living: list[float] = []
        self._states: list[Tensor] = []

    def take(self) -> None:
        """Takes a sample of the present state."""
        self._steps.append(self._motor.step_count)
        if self._request is not None:
            for name, value in self._motor.look(self._request).items():
                self._values.setdefault(name, []).append(float(value[0]))
        if {"period", "survival_steps"} & {*self._of_run}:
            weight = self._weight()
            self._living.append(float(weight.sum()))
            self._states = [*self._states, weight][-_STATES:] if "period" in self._of_run else []

    def results(self) -> dict[str, Statistics | float | None]:
        """Of each observable its last value, mean and extremes; of each measure of the run its value. None for NaN and Inf."""
        first = next((i for i, step in enumerate(self._steps) if step >= self._after), 0)
        found: dict[str, Statistics | float | None] = {
            name: _statistics(np.array(values[first:]), values[-1]) for name, values in self._values.items()
        }
        return found | {name: _finite(self._measured(name)) for name in self._of_run}

    def _measured(self, name: str) -> float:
        match name:
            case "survival_steps":
                return measures.survival(self._steps, self._living)
            case "period":
                back = int(measures.period(self._states))
                return float(self._steps[-1] - self._steps[-1 - back])
            case _:
                motor, u = self._motor, self._universe
                state = tuple(tensor[u : u + 1] for tensor in (motor.cells, *motor.memory))
                return float(measures.lyapunov(motor.traits, state, _LYAPUNOV_STEPS, motor.step_count, motor.seed))

    def _weight(self) -> Tensor:
        motor, u = self._motor, self._universe
        return weight_of(view_of(motor.traits, (motor.cells[u : u + 1], *motor.memory)))[0]


def _request(motor: Aetheria_Motor, names: list[str], universe: int) -> Request:
    try:
        request = motor.request(names, universe=universe)
    except ConfigError as error:
        raise ConfigError(f"[measure] observables: {error}, and of runs: {', '.join(measures.OF_RUNS)}") from None
    for field in request.fields:
        if not field.scalar:
            raise ConfigError(f'[measure] observables: "{field.name}" is a field of the grid; expected one number a universe')
    return request


def _statistics(values: NDArray[np.float64], last: float) -> Statistics:
    found = {"last": last, "mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    return {name: _finite(value) for name, value in found.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
