"""The contestants: our motor, the plain loop, the plain loop with a compiled model, and CAX."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from aetheria.diagnostics.bench import flops_per_step, seconds_per_step, synchronise, synchronised_step, traffic_per_step
from aetheria.laws import ConvLSTM
from benchmarks.harness.cases import Contestant, ContestantName, Job, build, cells_for, motor_for
from benchmarks.harness.convolutions import convolutions
from benchmarks.harness.plain import State, Step, plain_loop, plain_state, plain_step
from benchmarks.harness.processes import Measurement, UnavailableError, peak_bytes


def rate(seconds: float, **job: Any) -> Measurement:
    """The rate of a contestant: seconds per step, plan, peak memory, traffic and FLOP of a step.

    Args:
        seconds: of timed steps, approximately.
        job: the fields of a `Job`.
    """
    wanted = Job(**job)
    contestant = CONTESTANTS[wanted.contestant](wanted)
    per_step = seconds_per_step(contestant.advance, seconds)
    return {
        "seconds": per_step,
        "plan": contestant.plan,
        "reason": contestant.reason,
        "peak": (contestant.peak or partial(_peak, wanted.device))(),
        **contestant.facts,
    }


def _peak(device: str) -> int:
    return peak_bytes() if device == "cpu" else torch.cuda.max_memory_allocated()


def ours(job: Job) -> Contestant:
    """`motor.step`."""
    motor = motor_for(job)
    plan = motor.warm_up()
    state = (motor.cells, *motor.memory)
    facts = {"traffic": traffic_per_step(state), "flops": flops_per_step(motor.law, state)}
    return Contestant(synchronised_step(motor), plan.name, plan.reason, facts=facts)


def plain(job: Job, wrap: Callable[[Step], Step] = lambda model: model) -> Contestant:
    """The plain loop in float32."""
    law = build(job.law).to(job.device).eval()
    step = plain_step(law, wrap)
    cells = cells_for(job, law).to(job.device)
    state = plain_state(law, cells, law.initial_memory(cells) if isinstance(law, ConvLSTM) else ())

    def advance(steps: int) -> None:
        nonlocal state
        with torch.no_grad():
            state = plain_loop(step, state, steps)
        synchronise(torch.device(job.device))

    return Contestant(advance)


def compiled(job: Job) -> Contestant:
    """The plain loop around `torch.compile(model, mode="reduce-overhead")`: CUDA graphs on a GPU, none on the CPU."""
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex")
    return plain(job, partial(_compiled, graphs=job.device != "cpu"))


def _compiled(model: Step, graphs: bool) -> Step:
    fast = torch.compile(model, mode="reduce-overhead")

    def step(*state: torch.Tensor) -> State:
        out = fast(*state)
        # A CUDA graph writes its results to the same memory at each call.
        return tuple(tensor.clone() for tensor in out) if graphs else out

    return step


def cax(job: Job) -> Contestant:
    """CAX.

    Raises:
        UnavailableError: CAX is not installed, or does not have the law.
    """
    if not job.case.cax:
        raise UnavailableError("not in CAX")
    from benchmarks.harness.cax_peer import cax_contestant

    return cax_contestant(job)


CONTESTANTS: dict[ContestantName, Callable[[Job], Contestant]] = {
    "ours": ours,
    "plain": plain,
    "compiled": compiled,
    "CAX": cax,
    "convolutions": convolutions,
}
