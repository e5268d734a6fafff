"""Optuna as a sampler of points, told batch by batch.

Nothing is stored: a search that was ended is told the rows that are there in the same order, and a seeded sampler then goes on
alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source, installed
from aetheria.sweep.ranges import Distribution
from aetheria.sweep.sweep_config import SearchConfig

optuna.logging.set_verbosity(optuna.logging.WARNING)


class OptunaSampler:
    """A study of Optuna that maximises."""

    def __init__(self, distributions: Mapping[str, Distribution], settings: SearchConfig) -> None:
        self._given = distributions
        self._distributions = {key: _of_optuna(distribution) for key, distribution in distributions.items()}
        self._study = optuna.create_study(direction="maximize", sampler=_sampler(settings))
        self._trials: list[optuna.Trial] = []

    def ask(self, count: int) -> list[dict[str, Any]]:
        """As `Sampler.ask`."""
        self._trials = [self._study.ask(self._distributions) for _ in range(count)]
        return [{key: self._value(key, trial.params[key]) for key in self._given} for trial in self._trials]

    def tell(self, scores: Sequence[float | None], measures: Sequence[list[float] | None]) -> None:
        """As `Sampler.tell`; measures do not count."""
        for trial, score in zip(self._trials, scores, strict=True):
            if score is None:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, score)

    def _value(self, key: str, value: Any) -> Any:
        return self._given[key].given[value] if self._given[key].kind == "choice" else value


def _of_optuna(distribution: Distribution) -> BaseDistribution:
    if distribution.kind == "choice":  # by index: a choice may be a list, which Optuna does not take
        return CategoricalDistribution(list(range(len(distribution.given))))
    low, high = distribution.given
    if distribution.kind == "integer":
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=distribution.kind == "log_uniform")


def _sampler(settings: SearchConfig) -> optuna.samplers.BaseSampler:
    match settings.method:
        case "cma-es":
            if not installed("cmaes"):
                raise ConfigError(f'[search] method = "cma-es" needs cmaes: {from_source("search")}')
            return optuna.samplers.CmaEsSampler(seed=settings.seed, warn_independent_sampling=False)
        case "random":
            return optuna.samplers.RandomSampler(seed=settings.seed)
        case _:
            return optuna.samplers.TPESampler(seed=settings.seed)
