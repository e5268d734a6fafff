"""Time and memory from the start of a process to its first step.

python -m benchmarks.speed.first_step --out benchmarks/results/first_step.md
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness.processes import STARTED, Measurement, peak_bytes, run_isolated

# Folders of compiled code: ours, Inductor's, Triton's, and those in the XDG cache.
CACHES = ("AETHERIA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "XDG_CACHE_HOME")
# Networks whose intermediates at 4096^2 fit into 24 GiB.
LAWS: dict[str, dict[str, Any]] = {
    "Life": {},
    "Lenia": {},
    "MLP": {"d_state": 8, "hidden_channels": 32, "perceive": "self"},
    "DEEP_QCA": {"d_state": 8, "hidden_channels": 32, "perceive": "sum"},
    "GrowingNCA": {},
    "NeuralCA": {},
    "UNet": {"d_state": 2, "hidden_channels": 16},
    "ConvLSTM": {"d_state": 2, "hidden_channels": 16},
}
FURTHER = 10  # steps after the first one


def cold_and_warm(**job: Any) -> dict[str, Measurement]:
    """The first steps of two consecutive processes that share initially empty caches: "cold" and "warm"."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {name: f"{folder}/{name.lower()}" for name in CACHES}
        return {when: run_isolated("benchmarks.speed.first_step:first_step", caches, **job) for when in ("cold", "warm")}


def first_step(**job: Any) -> Measurement:
    """Seconds to the end of a plan's first step, from before the first import ("whole") and from after the last ("after")."""
    from aetheria.diagnostics.bench import synchronised_step
    from benchmarks.harness.cases import Job, motor_for

    imported = time.perf_counter()
    motor = motor_for(Job(**job))
    plan = motor.warm_up().name
    synchronised_step(motor)(1)
    done = time.perf_counter()
    return {"plan": plan, "whole": done - STARTED, "after": done - imported}


def on_grid(law: str, side: int, planned: bool) -> Measurement:
    """One new motor: seconds of its construction, its first step and `FURTHER` more, and bytes of memory.

    Args:
        side: of the square grid.
        planned: the motor knows that many steps will come, so that its plan is made at the first.
    """
    from aetheria import Aetheria_Motor, build_law, forced

    built: Any = build_law(law, seed=0, **LAWS[law])
    settings = {"planned_steps": 1 << 40} if planned else {}
    before, times = peak_bytes(), [time.perf_counter()]
    with forced():  # whether it fits is to be seen
        motor = Aetheria_Motor(built, side, built.d_state or built.channels, "cpu", settings, initial="noise")
    times.append(time.perf_counter())
    for steps in (1, FURTHER):
        motor.step(steps)
        times.append(time.perf_counter())
    made, first, more = (end - start for start, end in itertools.pairwise(times))
    state = sum(tensor.nbytes for tensor in motor._loop.stepper.state)
    return {
        "plan": motor.plan.name,
        "made": made,
        "first": first,
        "more": more,
        "state": state,
        "memory": peak_bytes() - before,
    }


def rows(laws: list[str], sides: tuple[int, int], planned: bool) -> Iterator[list[str]]:
    """Table rows: a law on a small and on a large grid, each in a process of its own with filled caches."""
    from benchmarks.harness.tables import NOTHING

    for law in laws:
        run_isolated("benchmarks.speed.first_step:on_grid", law=law, side=sides[0], planned=True)  # fills the caches
        small, large = (run_isolated("benchmarks.speed.first_step:on_grid", law=law, side=s, planned=planned) for s in sides)
        if missing := small.get("missing") or large.get("missing"):
            yield [law, str(missing), *[NOTHING] * 7]
            continue
        later = large["first"] - small["first"]
        yield [
            law,
            large["plan"],
            *(f"{seconds:.3g}" for seconds in (small["first"], large["first"], later, large["more"], large["made"])),
            f"{large['state'] / 2**20:,.0f}",
            f"{large['memory'] / large['state']:.2f}",
        ]


def main() -> None:
    """Prints the tables, and writes them where `--out` says."""
    from benchmarks.harness.machine import publish
    from benchmarks.harness.tables import table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=list(LAWS), default=list(LAWS))
    parser.add_argument("--sides", nargs=2, type=int, default=[256, 4096])
    wanted = parser.parse_args()
    small, large = wanted.sides
    load = os.getloadavg()[0]
    columns = [f"plan at {large}^2", f"first step at {small}^2, s", f"at {large}^2, s", "difference, s"]
    columns += [f"{FURTHER} more steps, s", "construction, s", "state, MiB", "peak memory over the state"]
    head = " | ".join(["law", *columns])
    lines = [
        f"Load of the machine at the beginning: {load:.1f}. Kernels are in the caches; each motor in a process of its own.",
        "",
    ]
    lines += ["The peak is that of the process, less the peak before the motor was made, libraries loaded later included.", ""]
    for title, planned in (("Steps to come are not known", False), ("`planned_steps` is large", True)):
        lines += [f"## {title}", "", *table(head, list(rows(wanted.laws, (small, large), planned))), ""]
    publish("First steps", lines, wanted.out)


if __name__ == "__main__":
    main()
