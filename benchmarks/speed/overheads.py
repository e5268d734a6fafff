"""Overheads of the motor and of a recorder, and the limits of the machine: tasks for `processes.run_isolated`."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch

from aetheria import Aetheria_Motor, Recorder
from aetheria.diagnostics.bench import measure_ceilings, seconds_per_step, synchronise, synchronised_step
from benchmarks.harness.cases import Job, motor_for
from benchmarks.harness.processes import Measurement

EVERY = 10


def ceilings(device: str, precision: Any, quick: bool = False) -> Measurement:
    """Bytes per second in a large copy, FLOP/s in a large matrix product."""
    sizes = {"copy_bytes": 1 << 20, "product_side": 64} if quick else {}
    found = measure_ceilings(torch.device(device), precision, **sizes)
    return {"bandwidth": found.bandwidth, "arithmetic": found.arithmetic}


def bare_loop(motor: Aetheria_Motor, at_once: bool = True) -> Callable[[int], None]:
    """The motor's plan without the motor's loop: all steps in one call, or a call for each step."""
    plan = motor.warm_up()
    with torch.inference_mode():
        held = plan.pack((motor.cells, *motor.memory))

    def advance(steps: int) -> None:
        nonlocal held
        with torch.inference_mode(), motor.optimizer.numerics():
            for several in [steps] if at_once else [1] * steps:
                held = plan.advance(held, several)
        synchronise(motor.device)

    return advance


def loop(seconds: float, most: int = 1000, **job: Any) -> Measurement:
    """Seconds of `motor.step(n)` without subscribers ("motor") and with the feed off ("off"), and of the plan alone: a call for
    each step ("each"), and all steps in one call ("bare").

    Args:
        seconds: of timed steps, approximately.
        most: the largest n; less for slow steps.
    """
    motor = motor_for(Job(**job))
    bare, each, step = bare_loop(motor), bare_loop(motor, at_once=False), synchronised_step(motor)
    per_step = seconds_per_step(bare, seconds / 10)
    steps = max(1, min(most, int(seconds / 10 / per_step)))

    def without_feed() -> None:
        motor.live_feed_enabled = False
        step(steps)
        motor.live_feed_enabled = True

    actions = {"bare": lambda: bare(steps), "motor": lambda: step(steps), "off": without_feed, "each": lambda: each(steps)}
    repeats = max(5, min(51, int(seconds / (3 * steps * per_step))))
    return {"plan": motor.warm_up().name, "steps": steps, **median_seconds_alternating(actions, repeats)}


def batches(seconds: float, grids: Sequence[tuple[int, int]], **job: Any) -> Measurement:
    """Cells per second on grids of (universes, side), by "universes x side^2"; each turn steps equal numbers of cells.

    Turns are short and many, so that a slow phase of the machine affects all grids.
    """
    jobs = {f"{batch} x {side}^2": Job(**{**job, "batch": batch, "side": side}) for batch, side in grids}
    steppers = {name: synchronised_step(motor_for(one)) for name, one in jobs.items()}
    most = max(one.cells for one in jobs.values())
    per_cell = max(seconds_per_step(step, seconds / 10) / jobs[name].cells for name, step in steppers.items())
    steps = max(1, int(seconds / 100 / (per_cell * most)))  # of the largest grid
    actions = {name: partial(step, steps * most // jobs[name].cells) for name, step in steppers.items()}
    found = median_seconds_alternating(actions, max(5, min(51, int(seconds / (len(jobs) * steps * per_cell * most)))))
    return {name: most * steps / median for name, median in found.items()}


def recorder(seconds: float, **job: Any) -> Measurement:
    """Seconds of n steps "without" and "with" a recorder of every tenth step: default field, float32 and codec.

    The time does not include opening the recorder; it includes closing the file.
    """
    motor = motor_for(Job(**job))
    step = synchronised_step(motor)
    per_step = seconds_per_step(step, seconds / 10)
    steps = EVERY * max(2, round(seconds / 6 / per_step / EVERY))
    with tempfile.TemporaryDirectory() as folder:
        files = (Path(folder) / f"{number}.h5" for number in count())

        def without() -> float:
            began = time.perf_counter()
            step(steps)
            return time.perf_counter() - began

        def recorded() -> float:
            with Recorder(motor, next(files), every=EVERY):
                began = time.perf_counter()
                step(steps)
            return time.perf_counter() - began

        times = [(without(), recorded()) for _ in range(3)]
    bare, more = (statistics.median(column) for column in zip(*times, strict=True))
    return {"plan": motor.warm_up().name, "steps": steps, "without": bare, "with": more}


def median_seconds_alternating(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each action, run in turns, so that a drift of the machine affects all equally."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(repeats):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()}
