"""Picks a plan, checks it against eager, and falls back, loudly, where it fails."""

import logging
import warnings
from typing import Literal

import torch
from torch import Tensor, nn

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import ConfigError, LawError
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.continuous.lenia import Lenia
from aetheria.laws.discrete.life import Life
from aetheria.stepping.plan import Plan, State, settled
from aetheria.stepping.registry import PLAN_FACTORIES, PlanFactory, StepProblem, automatic, make_eager

log = logging.getLogger(__name__)
PlanName = Literal["auto", "eager", "compiled", "graphed", "banded", "winograd", "fused", "packed"]

# Per precision: how far a plan may be from eager after two steps, relative to the largest cell.
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp64": 1e-10}


def choose_plan(
    law: nn.Module,
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
    task = StepProblem(law, state, precision)
    candidates = [] if wanted == "eager" else _candidates(task, wanted, planned_steps)
    # A law's own random numbers must not depend on how often it was tried.
    with torch.random.fork_rng(devices=[state[0].device] if state[0].is_cuda else []):
        plan, failures = _first_that_works(task, candidates)
    if plan is None:
        plan = make_eager(task)
        plan.reason = "asked for" if wanted == "eager" else _too_short(task, planned_steps)
    elif wanted != "auto":
        plan.reason = "asked for"
    if failures:
        plan.reason = "; ".join(failures)
        warnings.warn(
            f"{type(law).__name__} steps by plan {plan.name}: same result, slower. Reason: {plan.reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    log.info("plan %s: %s", plan.name, plan.reason)
    return plan


def _candidates(task: StepProblem, wanted: PlanName, planned_steps: int | None) -> list[PlanFactory]:
    """The plans to try, fastest first."""
    if wanted != "auto":
        asked = [candidate for candidate in PLAN_FACTORIES if candidate.name == wanted]
        prepare = [candidate for candidate in asked if not candidate.why_not(task)]
        if not prepare:
            raise ConfigError(f'plan: "{wanted}" given; {asked[0].why_not(task)}')
        return prepare
    updates = _updates(task, planned_steps)
    return [candidate for candidate in automatic(task) if updates is None or updates >= candidate.worth]


def _updates(task: StepProblem, planned_steps: int | None) -> int | None:
    batch, _, height, width = task.state[0].shape
    return None if planned_steps is None else planned_steps * batch * height * width


def _too_short(task: StepProblem, planned_steps: int | None) -> str:
    return f"{_updates(task, planned_steps) or 0:,} cell updates are done before a compile would be"


def _first_that_works(task: StepProblem, candidates: list[PlanFactory]) -> tuple[Plan | None, list[str]]:
    """The first plan that can be made and agrees with eager, and what went wrong with those before it."""
    once = _checked_step(task, task.state)
    expected = _second_step(task, once) if candidates else None
    del once  # a state may be a good part of the memory there is
    failures: list[str] = []
    for candidate in candidates:
        try:
            plan = candidate.make(task)
            if expected is not None:
                held = plan.advance(plan.pack(tuple(tensor.clone() for tensor in task.state)), 2)
                _compare(plan.unpack(held), expected, task)
        except Exception as error:  # noqa: BLE001 - whatever a compiler or its backend can throw
            failures.append(_failure(candidate.name, error))
        else:
            plan.reason = candidate.reason
            return plan, failures
    return None, failures


def _failure(name: str, error: Exception) -> str:
    cause = getattr(error, "inner_exception", error)  # what Dynamo wraps
    why = f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0]
    return f"{name} failed: {why}"


def _second_step(task: StepProblem, once: State) -> State | None:
    """What two eager steps give, the first having given `once`; None for a law that draws its own random numbers.

    Of such a law no two steps are alike, and none can be compared.
    """
    if not isinstance(task.law, Law) and not all(map(torch.equal, once, _checked_step(task, task.state))):
        return None
    return _checked_step(task, once)


def _checked_step(task: StepProblem, state: State) -> State:
    """An eager step of a copy: a law that does not fit says so here, not somewhere inside a compiler."""
    name = type(task.law).__name__
    try:
        out = task.call()(*(tensor.clone() for tensor in state))
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


def _compare(given: State, expected: State, task: StepProblem) -> None:
    tolerance = 0.0 if isinstance(task.law, Life) else TOLERANCE[task.precision]
    # Where cells live or die by a threshold, rounding tips a few; of a user's module nobody knows.
    tipped = 1e-3 if getattr(task.law, "alive", True) and not isinstance(task.law, Life | Lenia) else 0.0
    for one, other in zip(given, expected, strict=True):
        close = (one == other) | (one.isnan() & other.isnan())
        if one.is_floating_point():
            close |= (one - other).abs() <= tolerance * other.abs().max().clamp_min(1e-30)
        if (~close).double().mean() > tipped:
            raise RuntimeError("its step does not agree with the eager one")
