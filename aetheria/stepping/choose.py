"""Picks a plan, and falls back to eager, loudly, when compiling fails."""

import logging
import types
import warnings
from typing import Literal

import torch
from torch import Tensor, nn

from aetheria.device import is_out_of_memory
from aetheria.errors import LawError
from aetheria.laws.base import Law
from aetheria.optimizer import Precision
from aetheria.stepping.plan import Plan, State, Step, make_call, make_step, settled

log = logging.getLogger(__name__)
PlanName = Literal["auto", "eager", "compiled"]

# A cold compile takes 10 to 30 s on two cores; fewer cell updates than this are done sooner without.
WORTH_COMPILING = 2**24
# Per precision: how far compiled may be from eager after one step, relative to the largest cell.
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
        wanted: "eager", "compiled", or "auto": compiled unless `planned_steps` is too few for compiling to pay.
        planned_steps: how many steps will be taken, if known.

    Raises:
        LawError: the law cannot step this state, or returns something of another shape.
    """
    call = make_call(law, state[0].device, precision)
    step = make_step(call)
    batch, _, height, width = state[0].shape
    updates = None if planned_steps is None else planned_steps * batch * height * width
    eager_because = ""
    if wanted == "eager":
        eager_because = "asked for"
    elif wanted == "auto" and updates is not None and updates < WORTH_COMPILING:
        eager_because = f"{updates:,} cell updates are done before a compile would be"
    # A law's own random numbers must not depend on how often it was tried.
    with torch.random.fork_rng(devices=[state[0].device] if state[0].is_cuda else []):
        if not eager_because:
            compiled, failure = _try_compiling(law, call, step, state, TOLERANCE[precision])
            because = failure or ("asked for" if wanted == "compiled" else "the default")
            plan = Plan("eager" if failure else "compiled", because, compiled)
        else:
            _trial(law, call, state)
            plan = Plan("eager", eager_because, step)
    log.info("plan %s: %s", plan.name, plan.reason)
    return plan


def _try_compiling(law: nn.Module, call: Step, step: Step, state: State, tolerance: float) -> tuple[Step, str]:
    """The compiled step, or the eager one with the reason why."""
    expected = _trial(law, call, state)
    # Of a law that draws its own random numbers no two steps are alike, and none can be compared.
    comparable = isinstance(law, Law) or all(map(torch.equal, expected, _trial(law, call, state)))
    try:
        with warnings.catch_warnings():
            # Lenia's FFT is called, not generated, and its spectrum alone is complex: nothing to warn of.
            warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)
            compiled = _compile(step)
            # Twice, the second time from its own output: a first call that recompiles does so here.
            once = compiled(*(tensor.clone() for tensor in state))
            compiled(*once)
        if comparable:
            _compare(once, expected, tolerance)
    except Exception as error:  # noqa: BLE001 - whatever a compiler or its backend can throw
        cause = getattr(error, "inner_exception", error)  # what Dynamo wraps
        why = f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0]
        warnings.warn(
            f"compiling {type(law).__name__} failed, so it steps eagerly: same result, slower. Reason: {why}",
            RuntimeWarning,
            stacklevel=2,
        )
        return step, f"compiling failed: {why}"
    return compiled, ""


def _compile(step: Step) -> Step:
    # Dynamo keeps its cache, and its limit on recompiles, per code object: each motor gets one of its own.
    assert isinstance(step, types.FunctionType)
    own = types.FunctionType(step.__code__.replace(), step.__globals__, step.__name__, step.__defaults__, step.__closure__)
    compiled: Step = torch.compile(own, fullgraph=True, dynamic=False)
    return compiled


def _trial(law: nn.Module, call: Step, state: State) -> State:
    """One eager step of a copy, checked: a law that does not fit says so here, not somewhere inside a compiler."""
    name = type(law).__name__
    try:
        out = call(*(tensor.clone() for tensor in state))
    except Exception as error:
        if is_out_of_memory(error):
            raise  # too large, not wrong: the motor says so
        raise LawError(
            f"{name} cannot step cells of shape {tuple(state[0].shape)}: {error}. (For a module with complex amplitudes, "
            "wrap it: Quantum(net, d_state))"
        ) from error
    shapes = [tuple(t.shape) if isinstance(t, Tensor) else type(t).__name__ for t in out]
    wanted = [tuple(t.shape) for t in state]
    if shapes != wanted:
        raise LawError(f"{name} returned {shapes} for {wanted}; a step must return cells, then memory, of the same shapes")
    return tuple(map(settled, out, state))


def _compare(given: State, expected: State, tolerance: float) -> None:
    for one, other in zip(given, expected, strict=True):
        if not one.is_floating_point():
            close = one == other
        else:
            close = (one - other).abs() <= tolerance * other.abs().max().clamp_min(1e-30)
        # A threshold (alive mask, rule) may tip a few cells either way.
        if (~close).double().mean() > 1e-3:
            raise RuntimeError("the compiled step does not agree with the eager one")
