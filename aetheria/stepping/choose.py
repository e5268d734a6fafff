"""Chooses a plan, checks it against the eager plan, and falls back with a warning where it fails."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from aetheria.core.errors import ConfigError
from aetheria.core.precision import Precision
from aetheria.core.printable import get_logger
from aetheria.laws.base import Law
from aetheria.laws.own_state import OwnState
from aetheria.stepping.factories import PLAN_FACTORIES, automatic, make_eager, why_none
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.plan_factory import UNKNOWN_LENGTH, PlanFactory, StepProblem
from aetheria.stepping.trial import Trial

log = get_logger(__name__)
PlanName = Literal["auto", "eager", "compiled", "graphed", "winograd", "fused", "packed"]


def choose_plan(
    law: Law,
    state: State,
    *,
    wanted: PlanName = "auto",
    precision: Precision = "fp32",
    planned_steps: int | None = None,
    own: OwnState | None = None,
    cells: int | None = None,
) -> Plan:
    """The plan for stepping `law` from `state`. Trials leave the law's own state and the random generators as they were.

    Args:
        wanted: a plan by name, or "auto": the fastest that can step this law on this device in this precision, and that pays
            for a run of `planned_steps`.
        own: the state that the law's modules keep themselves; None to find out here.
        cells: in all universes, for which the run has to pay; None for those of the state.

    Raises:
        LawError: the law cannot step this state, or returns other shapes.
        ConfigError: the requested plan cannot step this law on this device in this precision.
    """
    own = OwnState(law) if own is None else own
    problem = StepProblem(law, state, precision)
    updates = _updates(problem, planned_steps, cells)
    with _undisturbed(problem, own):
        factories = [] if wanted == "eager" else _factories(problem, wanted, updates)
        trial = Trial(problem, own, steps=2 if factories else 1)
        refusals = {factory.name: trial.why_not(factory) for factory in factories}
        able = [factory for factory in factories if not refusals[factory.name]]
        if factories and not able and wanted != "auto":
            raise ConfigError(f'plan: "{wanted}" given; {refusals[wanted]}')
        plan, failures = _first_that_works(trial, able)
    if plan is None:
        plan = make_eager(problem)
        why_eager = next(iter(refusals.values()), "") or why_none("compiled", problem) or _too_short(updates)
        plan.reason = "asked for" if wanted == "eager" else why_eager
    elif wanted != "auto":
        plan.reason = "asked for"
    if failures:
        plan.reason = "; ".join(failures)
        warnings.warn(
            f"{law.name} steps by plan {plan.name}: same result, slower. Reason: {plan.reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    _warn_if_unrepeatable(trial, law)
    log.info("plan %s: %s", plan.name, plan.reason)
    return plan


@dataclass(frozen=True)
class EagerStart:
    """The beginning of a run of unknown length.

    Attributes:
        plan: the eager one.
        steps: taken by it before another plan is made, a number that depends on the law and the grid alone; None for all.
        then: name of the other plan.
    """

    plan: Plan
    steps: int | None
    then: str = ""


def eager_start(law: Law, state: State, *, precision: Precision = "fp32", own: OwnState | None = None) -> EagerStart:
    """The eager plan, and the number of its steps that cost as much as making a faster one. Leaves all state as it was.

    Raises:
        LawError: the law cannot step this state, or returns other shapes.
    """
    own = OwnState(law) if own is None else own
    problem = StepProblem(law, state, precision)
    with _undisturbed(problem, own):
        trial = Trial(problem, own, steps=1, counted=True)
        factories = automatic(problem)
        able = [factory for factory in factories if not trial.why_not(factory)]
    plan = make_eager(problem)
    if not able:
        plan.reason = trial.why_not(factories[0])
        _warn_if_unrepeatable(trial, law)
        return EagerStart(plan, None)
    first = able[0]
    at_once = law.exact and first.ready(problem)  # bit for bit the same: the machine may decide
    return EagerStart(plan, 0 if at_once else int(first.seconds / trial.seconds), first.name)


@contextmanager
def _undisturbed(problem: StepProblem, own: OwnState) -> Iterator[None]:
    """Puts the law's own state and the random generators back after the block."""
    device = problem.state[0].device
    with own.undisturbed(device), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _warn_if_unrepeatable(trial: Trial, law: Law) -> None:
    if trial.unrepeatable:
        warnings.warn(
            f"{law.name}: two steps from the same state differ. It depends on something that is not in its cells, memory, "
            "buffers or attributes; its runs cannot be restarted, resumed or replayed exactly",
            RuntimeWarning,
            stacklevel=3,
        )


def _factories(problem: StepProblem, wanted: PlanName, updates: int) -> list[PlanFactory]:
    """The plans to try, fastest first."""
    if wanted != "auto":
        able = [factory for factory in PLAN_FACTORIES if factory.name == wanted and not factory.why_not(problem)]
        if not able:
            raise ConfigError(f'plan: "{wanted}" given; {why_none(wanted, problem)}')
        return able
    return automatic(problem, updates)


def _updates(problem: StepProblem, planned_steps: int | None, cells: int | None) -> int:
    """Cell updates of a whole run, for which a plan has to pay."""
    if planned_steps is None:
        return UNKNOWN_LENGTH
    shape = problem.state[0].shape
    return planned_steps * (shape[0] * math.prod(shape[2:]) if cells is None else cells)


def _too_short(updates: int) -> str:
    return f"{updates:,} cell updates take less time than compiling"


def _first_that_works(trial: Trial, factories: list[PlanFactory]) -> tuple[Plan | None, list[str]]:
    """The first plan that can be made and agrees with eager, and the failures of those before it."""
    failures: list[str] = []
    for factory in factories:
        try:
            plan = trial.checked(factory)
        except Exception as error:  # noqa: BLE001 - a compiler or its backend can raise anything
            failures.append(_failure(factory.name, error))
        else:
            plan.reason = factory.reason
            return plan, failures
    return None, failures


def _failure(name: str, error: Exception) -> str:
    cause = getattr(error, "inner_exception", error)  # Dynamo wraps the cause
    why = f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0]
    return f"{name} failed: {why}"
