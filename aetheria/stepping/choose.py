"""Picks a plan, checks it against eager, and falls back, loudly, where it fails."""

import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from aetheria.device import is_out_of_memory, keep_freed_memory
from aetheria.errors import ConfigError, LawError
from aetheria.laws.base import Law
from aetheria.laws.life import Life
from aetheria.optimizer import Precision
from aetheria.stepping.banded import Banded
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.fused import FusedOnCpu
from aetheria.stepping.graphed import Graphed
from aetheria.stepping.packed import PackedOnCpu
from aetheria.stepping.plan import Plan, PlanUnavailable, State, Step, Stepwise, make_call, make_step, settled

log = logging.getLogger(__name__)
PlanName = Literal["auto", "eager", "compiled", "graphed", "banded", "fused", "packed"]

# A cold compile takes 10 to 30 s on two cores; fewer cell updates than this are done sooner without.
WORTH_COMPILING = 2**24
# Our own kernels are compiled in 3 s, once for all laws.
WORTH_BUILDING = 2**18
# Per precision: how far a plan may be from eager after two steps, relative to the largest cell.
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp64": 1e-10}


@dataclass(frozen=True)
class Task:
    """What is to be stepped: a law, from a state, in a precision."""

    law: nn.Module
    state: State
    precision: Precision

    @property
    def device(self) -> torch.device:
        return self.state[0].device

    def call(self) -> Step:
        """The law as a function that returns a tuple."""
        return make_call(self.law, self.device, self.precision)


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
        wanted: a plan by name, or "auto": the fastest that this law, device and precision allow, and that pays if
            `planned_steps` are all that will be taken.

    Raises:
        LawError: the law cannot step this state, or returns something of another shape.
        ConfigError: the plan asked for cannot step this law, precision or device at all.
    """
    task = Task(law, state, precision)
    # A law's own random numbers must not depend on how often it was tried.
    with torch.random.fork_rng(devices=[task.device] if state[0].is_cuda else []):
        plan = _choose(task, wanted, planned_steps)
    log.info("plan %s: %s", plan.name, plan.reason)
    return plan


def _choose(task: Task, wanted: PlanName, planned_steps: int | None) -> Plan:
    names = list(_worthwhile(task, planned_steps)) if wanted == "auto" else [wanted]
    once = _checked_step(task, task.state)
    expected = _second_step(task, once) if names not in ([], ["eager"]) else None
    failures: list[str] = []
    plan = None
    for name in names:
        try:
            plan = _made(task, name, expected)
            plan.reason = _REASONS[name] if wanted == "auto" else "asked for"
            break
        except PlanUnavailable as unavailable:
            if wanted != "auto":
                raise ConfigError(f'plan: "{wanted}" given; {unavailable}') from None
            log.debug("no plan %s: %s", name, unavailable)
        except Exception as error:  # noqa: BLE001 - whatever a compiler or its backend can throw
            failures.append(_failure(name, error))
    if plan is None:
        plan = _eager(task)
        plan.reason = _too_short(task, planned_steps)
    if failures:
        plan.reason = "; ".join(failures)
        law = type(task.law).__name__
        warnings.warn(
            f"{law} steps by plan {plan.name}: same result, slower. Reason: {plan.reason}", RuntimeWarning, stacklevel=2
        )
    return plan


_REASONS = {
    "packed": "two states and a Moore neighbourhood: 64 cells a word",
    "fused": "a small network at each cell: one kernel does the whole step",
    "banded": "local, without memory: bands of rows stay in cache",
    "graphed": "no faster form is known for this law; steps are launched together",
    "compiled": "no faster form is known for this law",
}


def _worthwhile(task: Task, planned_steps: int | None) -> Iterator[str]:
    """The plans to try, fastest first."""
    batch, _, height, width = task.state[0].shape
    updates = None if planned_steps is None else planned_steps * batch * height * width
    if updates is None or updates >= WORTH_BUILDING:
        yield "packed"
        yield "fused"
    if updates is None or updates >= WORTH_COMPILING:
        yield "banded"
        yield "graphed" if task.device.type == "cuda" else "compiled"


def _too_short(task: Task, planned_steps: int | None) -> str:
    batch, _, height, width = task.state[0].shape
    return f"{(planned_steps or 0) * batch * height * width:,} cell updates are done before a compile would be"


def _made(task: Task, name: str, expected: State | None) -> Plan:
    """The plan of that name, tried."""
    plan = _MAKERS[name](task)
    if expected is not None:
        held = plan.advance(plan.hold(tuple(tensor.clone() for tensor in task.state)), 2)
        _compare(plan.show(held), expected, 0.0 if isinstance(task.law, Life) else TOLERANCE[task.precision])
    return plan


def _failure(name: str, error: Exception) -> str:
    if is_out_of_memory(error):
        raise error  # too large, not wrong: the motor says so
    cause = getattr(error, "inner_exception", error)  # what Dynamo wraps
    why = f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0]
    return f"{name} failed: {why}"


# -- the plans by name -------------------------------------------------------------------------------------------------


def _eager(task: Task) -> Plan:
    return Stepwise("eager", make_step(task.call()))


def _compiled(task: Task) -> Plan:
    if task.device.type == "cpu":
        keep_freed_memory()
    return Compiled(make_step(task.call()), task.state)


def _graphed(task: Task) -> Plan:
    if task.device.type != "cuda":
        raise PlanUnavailable(f"graphs are CUDA's, and the cells are on {task.device}")
    return Graphed(_compiled(task), task.law, task.state)


def _banded(task: Task) -> Plan:
    _only_on_cpu(task)
    if not isinstance(task.law, Law):
        raise PlanUnavailable(f"{type(task.law).__name__} does not say how far it looks")
    keep_freed_memory()
    return Banded(task.law, make_step(task.call()), task.state)


def _fused(task: Task) -> Plan:
    _only_on_cpu(task)
    if not isinstance(task.law, Law):
        raise PlanUnavailable(f"{type(task.law).__name__} does not say what it computes")
    if task.precision not in ("fp32", "tf32"):
        raise PlanUnavailable(f"its kernel is float32, and {task.precision} is wanted")
    keep_freed_memory()
    return FusedOnCpu(task.law)


def _packed(task: Task) -> Plan:
    _only_on_cpu(task)
    if not isinstance(task.law, Life):
        raise PlanUnavailable(f"{type(task.law).__name__} is not Life")
    keep_freed_memory()
    return PackedOnCpu(task.law, task.state[0])


def _only_on_cpu(task: Task) -> None:
    if task.device.type != "cpu":
        raise PlanUnavailable(f"its kernel is for the CPU, and the cells are on {task.device}")


_MAKERS: dict[str, Callable[[Task], Plan]] = {
    "eager": _eager,
    "compiled": _compiled,
    "graphed": _graphed,
    "banded": _banded,
    "fused": _fused,
    "packed": _packed,
}


# -- what eager gives --------------------------------------------------------------------------------------------------


def _second_step(task: Task, once: State) -> State | None:
    """What two eager steps give, the first having given `once`; None for a law that draws its own random numbers.

    Of such a law no two steps are alike, and none can be compared.
    """
    if not isinstance(task.law, Law) and not all(map(torch.equal, once, _checked_step(task, task.state))):
        return None
    return _checked_step(task, once)


def _checked_step(task: Task, state: State) -> State:
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


def _compare(given: State, expected: State, tolerance: float) -> None:
    for one, other in zip(given, expected, strict=True):
        if not one.is_floating_point():
            close = one == other
        else:
            close = (one - other).abs() <= tolerance * other.abs().max().clamp_min(1e-30)
        # A threshold (alive mask, rule) may tip a few cells either way.
        if (~close).double().mean() > (1e-3 if tolerance else 0):
            raise RuntimeError("its step does not agree with the eager one")
