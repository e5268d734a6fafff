"""Time from the start of a process to the first step, with empty and with filled compile caches."""

import tempfile
import time
from typing import Any

from benchmarks.harness.processes import STARTED, Measurement, run_isolated

# Folders of compiled code: ours, Inductor's, Triton's, and those in the XDG cache.
CACHES = ("AETHERIA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "XDG_CACHE_HOME")


def cold_and_warm(**job: Any) -> dict[str, Measurement]:
    """The first steps of two consecutive processes that share initially empty caches: "cold" and "warm"."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {name: f"{folder}/{name.lower()}" for name in CACHES}
        return {when: run_isolated("benchmarks.speed.first_step:first_step", caches, **job) for when in ("cold", "warm")}


def first_step(**job: Any) -> Measurement:
    """Seconds to the end of the first step, from before the first import ("whole") and from after the last ("after")."""
    from aetheria.diagnostics.bench import synchronised_step
    from benchmarks.harness.cases import Job, motor_for

    imported = time.perf_counter()
    motor = motor_for(Job(**job))
    synchronised_step(motor)(1)
    done = time.perf_counter()
    return {"plan": motor.warm_up().name, "whole": done - STARTED, "after": done - imported}
