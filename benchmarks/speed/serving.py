"""Cost of being watched by readers of a server: the run's rate with 20 readers over its rate without, in turn in one run.

python -m benchmarks.speed.serving --out benchmarks/results/serving.md
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from aetheria.diagnostics.bench import seconds_per_step
from aetheria.runs.steering import Steering
from aetheria.serve.access import Access
from aetheria.serve.server import serve_motor
from benchmarks.harness.cases import Job, motor_for
from benchmarks.harness.frame_readers import reading
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import Row, table

# A law of bits, networks in C++, and small eager steps, which need Python's lock for each operation.
JOBS = (
    Job("ours", "Life", 1024),
    Job("ours", "GrowingNCA", 256),
    Job("ours", "MLP", 512),
    Job("ours", "GrowingNCA", 64, plan="eager"),
)


@dataclass(frozen=True)
class _Turn:
    """Steps without and with readers, one after the other.

    Attributes:
        kept: the rate with readers over the rate without.
        steps: processor time of the stepping thread, with readers over without.
        beside: processor time of all other threads of the run's process, a second, with readers.
        sent: bytes of frames to all readers, a second.
    """

    kept: float
    steps: float
    beside: float
    sent: float


def cost(job: Job, seconds: float, turns: int, readers: int, slow: int) -> Row:
    """The turns of one law."""
    motor, steering = motor_for(job), Steering()
    motor.warm_up()

    def step(count: int) -> None:
        steering.step(motor, count)

    steps = max(1, round(seconds / seconds_per_step(step, seconds)))
    with serve_motor(motor, steering=steering, access=Access(port=0)) as server:

        def timed() -> tuple[float, float, float]:
            """Seconds of the steps by the clock, and of the processor for them and beside them."""
            began = time.perf_counter(), time.thread_time(), time.process_time()
            step(steps)
            ended = time.perf_counter(), time.thread_time(), time.process_time()
            clock, own, all_threads = (after - before for before, after in zip(began, ended, strict=True))
            return clock, own, all_threads - own

        def turn() -> _Turn:
            before = timed()
            with reading(server.port, server.access.token, readers, slow) as taken:
                step(max(1, steps // 4))  # buffers of the system are filled first
                sent = server.sent_bytes
                served = timed()
                sent = server.sent_bytes - sent
            after = timed()
            assert all(taken)
            alone, own, _ = ((one + other) / 2 for one, other in zip(before, after, strict=True))
            return _Turn(alone / served[0], served[1] / own, served[2] / served[0], sent / served[0])

        found = [turn() for _ in range(turns + 1)][1:]
    return [
        job.law,
        f"{job.side}^2",
        motor.plan.name,
        f"{steps:,}",
        *_spread([one.kept for one in found]),
        f"{statistics.median(one.steps for one in found):.3f}",
        f"{statistics.median(one.beside for one in found):.1%}",
        f"{statistics.median(one.sent for one in found) / 1e6:.1f}",
    ]


def _spread(values: Sequence[float]) -> tuple[str, str]:
    """The median, and the middle half."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return f"{statistics.median(ordered):.3f}", f"{ordered[quarter]:.3f} to {ordered[-1 - quarter]:.3f}"


def report(jobs: Sequence[Job], seconds: float, turns: int, readers: int, slow: int) -> list[str]:
    """The table."""
    return [
        f"{readers} readers of one view of the default field, {slow} of them slow, in another process of this machine. Each "
        f"turn: about {seconds:g} s of steps without readers, with them, and without again; {turns} turns, medians, and the "
        "middle half in the next column. Steps: processor time of the stepping thread for the same steps, with readers over "
        "without. Beside: processor time of all other threads of the run's process, pictures included, a second. On "
        f"{torch.get_num_threads()} threads.",
        "",
        *table(
            "law | grid | plan | steps | rate, with readers over without | middle half | steps, with over without | beside "
            "| MB/s sent",
            [cost(job, seconds, turns, readers, slow) for job in jobs],
        ),
    ]


def main() -> None:
    """Prints the table, and writes it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps in each part of a turn, approximately")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--slow", type=int, default=10, help="readers of them that hardly read")
    parser.add_argument("--threads", type=int, help="of torch; all cores when left out")
    wanted = parser.parse_args()
    if wanted.threads:
        torch.set_num_threads(wanted.threads)
    publish("Served runs", report(JOBS, wanted.seconds, wanted.turns, wanted.readers, wanted.slow), wanted.out)


if __name__ == "__main__":
    main()
