"""Picks a plan, checks it against eager, and falls back, loudly, where it fails."""

import logging
import math
import warnings
from typing import Literal

import torch
from torch import Tensor

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import ConfigError, LawError
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.stepping.plan import Plan, State, settled
from aetheria.stepping.registry import PLAN_FACTORIES, PlanFactory, StepProblem, automatic, make_eager

log = logging.getLogger(__name__)
PlanName = Literal["auto", "eager", "compiled", "graphed", "winograd", "fused", "packed"]

# Per precision: how far a plan may be from eager after two steps, relative to the largest cell.
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp64": 1e-10}


def choose_plan(
    law: Law,
    state: State,
    *,
    wanted: PlanName = "auto",
    precision: Precision = "fp32",
    planned_steps: int | None = None,
) -> Plan:
    """The plan for stepping `law` from `state`.

    Args:
        wanted: a plan by name, or "auto": the fastest that can step this law on this device in this precision, and that pays
            if `planned_steps` are all that will be taken.

    Raises:
        LawError: the law cannot step this state, or returns something of another shape.
        ConfigError: the plan asked for cannot step this law on this device in this precision.
    """
    problem = StepProblem(law, state, precision)
    factories = [] if wanted == "eager" else _factories(problem, wanted, planned_steps)
    # A law's own random numbers must not depend on how often it was tried.
    with torch.random.fork_rng(devices=[state[0].device] if state[0].is_cuda else []):
        plan, failures = _first_that_works(problem, factories)
    if plan is None:
        plan = make_eager(problem)
        plan.reason = "asked for" if wanted == "eager" else _too_short(problem, planned_steps)
    elif wanted != "auto":
        plan.reason = "asked for"
    if failures:
        plan.reason = "; ".join(failures)
        warnings.warn(
            f"{law.name} steps by plan {plan.name}: same result, slower. Reason: {plan.reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    log.info("plan %s: %s", plan.name, plan.reason)
    return plan


def _factories(problem: StepProblem, wanted: PlanName, planned_steps: int | None) -> list[PlanFactory]:
    """The plans to try, fastest first."""
    if wanted != "auto":
        asked = [factory for factory in PLAN_FACTORIES if factory.name == wanted]
        able = [factory for factory in asked if not factory.why_not(problem)]
        if not able:
            raise ConfigError(f'plan: "{wanted}" given; {asked[-1].why_not(problem)}')
        return able
    updates = _updates(problem, planned_steps)
    return [factory for factory in automatic(problem) if updates is None or updates >= factory.worth]


def _updates(problem: StepProblem, planned_steps: int | None) -> int | None:
    cells = problem.state[0]
    return None if planned_steps is None else planned_steps * len(cells) * math.prod(cells.shape[2:])


def _too_short(problem: StepProblem, planned_steps: int | None) -> str:
    return f"{_updates(problem, planned_steps) or 0:,} cell updates are done before a compile would be"


def _first_that_works(problem: StepProblem, factories: list[PlanFactory]) -> tuple[Plan | None, list[str]]:
    """The first plan that can be made and agrees with eager, and what went wrong with those before it."""
    once = _checked_step(problem, problem.state)
    expected = _second_step(problem, once) if factories else None
    del once  # a state may be a good part of the memory there is
    failures: list[str] = []
    for factory in factories:
        try:
            plan = factory.make(problem)
            if expected is not None:
                held = plan.advance(plan.pack(tuple(tensor.clone() for tensor in problem.state)), 2)
                _compare(plan.unpack(held), expected, problem)
        except Exception as error:  # noqa: BLE001 - whatever a compiler or its backend can throw
            failures.append(_failure(factory.name, error))
        else:
            plan.reason = factory.reason
            return plan, failures
    return None, failures


def _failure(name: str, error: Exception) -> str:
    cause = getattr(error, "inner_exception", error)  # what Dynamo wraps
    why = f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0]
    return f"{name} failed: {why}"


def _second_step(problem: StepProblem, once: State) -> State | None:
    """What two eager steps give, the first having given `once`; None for a law that draws its own random numbers.

    Of such a law no two steps are alike, and none can be compared.
    """
    if not all(map(torch.equal, once, _checked_step(problem, problem.state))):
        return None
    return _checked_step(problem, once)


def _checked_step(problem: StepProblem, state: State) -> State:
    """An eager step of a copy: a law that does not fit says so here, not somewhere inside a compiler."""
    name = problem.law.name
    try:
        out = problem.call()(*(tensor.clone() for tensor in state))
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise LawError(
            f"{name} cannot step cells of shape {tuple(state[0].shape)}: {error}. (For a module with complex amplitudes, "
            "wrap it: Quantum(net, d_state))"
        ) from error
    shapes = [tuple(t.shape) if isinstance(t, Tensor) else type(t).__name__ for t in out]
    wanted = [tuple(t.shape) for t in state]
    if shapes != wanted:
        raise LawError(f"{name} returned {shapes} for {wanted}; a step must return cells, then memory, of the same shapes")
    return tuple(map(settled, out, state))


def _compare(given: State, expected: State, problem: StepProblem) -> None:
    tolerance = 0.0 if problem.law.exact else TOLERANCE[problem.precision]
    tipped = 1e-3 if problem.law.tipping else 0.0
    for one, other in zip(given, expected, strict=True):
        close = (one == other) | (one.isnan() & other.isnan())
        if one.is_floating_point():
            close |= (one - other).abs() <= tolerance * other.abs().max().clamp_min(1e-30)
        if (~close).double().mean() > tipped:
            raise RuntimeError("its step does not agree with the eager one")
