"""How long a new process takes to its first step, with empty compile caches and with filled ones."""

import tempfile
import time
from typing import Any

from benchmarks.harness.processes import BEGAN, Finding, apart

# Where we, Inductor, Triton and all that heeds the XDG directories keep what was compiled.
CACHES = ("AETHERIA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "XDG_CACHE_HOME")


def cold_and_warm(**job: Any) -> dict[str, Finding]:
    """Two processes after one another that share caches, empty at first: "cold", then "warm"."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {name: f"{folder}/{name.lower()}" for name in CACHES}
        return {when: apart("benchmarks.speed.first_step:first_step", caches, **job) for when in ("cold", "warm")}


def first_step(**job: Any) -> Finding:
    """Seconds until the first step is done, from before the first import ("whole") and from after the last ("after")."""
    from aetheria.diagnostics.bench import synchronised_step
    from benchmarks.harness.cases import Job, motor_for

    imported = time.perf_counter()
    motor = motor_for(Job(**job))
    synchronised_step(motor)(1)
    done = time.perf_counter()
    return {"plan": motor.warm_up().name, "whole": done - BEGAN, "after": done - imported}
