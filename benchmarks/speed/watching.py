"""Cost of live viewing and recording: steps, bytes transferred from the device, and memory.

python -m benchmarks.speed.watching --out benchmarks/results/watching.md
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import torch

from aetheria import Aetheria_Motor, Recorder
from aetheria.diagnostics.bench import seconds_per_step, synchronised_step
from benchmarks.harness.cases import CASES, Job, motor_for
from benchmarks.harness.machine import publish
from benchmarks.harness.tables import Row, table
from benchmarks.speed.overheads import EVERY, median_seconds_alternating

NETWORKS = [
    law for law, case in CASES.items() if case.network
]  # laws without a network are too fast to record every tenth step
_MB = 1e6


@contextmanager
def viewed(motor: Aetheria_Motor, rate: float) -> Iterator[None]:
    """A reader in another thread gets uint8 frames of the default field, at most `rate` per second, as a window does."""
    field = motor.traits.default_field
    levels = {} if field == "rgb" else {field: (0.0, 1.0)}
    with motor.watch(motor.request([field], dtype="uint8", levels=levels), rate) as frames:
        reader = threading.Thread(target=lambda: [frame[field] for frame in frames], daemon=True)
        reader.start()
        yield
    reader.join()


def cost(law: str, side: int, device: str, seconds: float, rate: float) -> Row:
    """Seconds of n steps alone, viewed, and viewed and recorded; and the transferred bytes."""
    motor = motor_for(Job("ours", law, side, device=device))
    step = synchronised_step(motor)
    steps = EVERY * max(2, round(seconds / seconds_per_step(step, seconds / 10) / EVERY))
    stats = motor.optimizer.transfer_stats
    moved: dict[str, int] = {}

    def alone() -> None:
        before = stats.bytes
        step(steps)
        moved["alone"] = stats.bytes - before

    def with_viewer() -> None:
        before = stats.bytes
        with viewed(motor, rate):
            step(steps)
        moved["viewed"] = stats.bytes - before

    with tempfile.TemporaryDirectory() as folder:

        def with_both() -> None:
            with ExitStack() as readers:
                readers.enter_context(Recorder(motor, Path(folder) / "run.h5", every=EVERY, overwrite=True))
                readers.enter_context(viewed(motor, rate))
                step(steps)

        found = median_seconds_alternating({"alone": alone, "viewed": with_viewer, "both": with_both}, 5)
    each = steps * motor.read(motor.traits.default_field).nbytes
    return [
        law,
        f"{side}^2",
        motor.warm_up().name,
        f"{steps:,}",
        f"{found['alone']:.3f}",
        f"{found['viewed'] / found['alone']:.3f}",
        f"{found['both'] / found['alone']:.3f}",
        f"{moved['alone']:,}",
        f"{moved['viewed'] / _MB:,.1f}",
        f"{each / _MB:,.1f}",
        f"{1 - moved['viewed'] / each:.0%}",
    ]


def memory(law: str, side: int, device: str, steps: int) -> Row:
    """Bytes of the state, and memory in use after a few steps and after many."""
    motor = motor_for(Job("ours", law, side, device=device))
    state = sum(tensor.nbytes for tensor in (motor.cells, *motor.memory))
    # More than the longest chunk of a plan and the first clean-ups.
    motor.step(2000)
    before = _used(device)
    began = time.perf_counter()
    motor.step(steps)
    took = time.perf_counter() - began
    after = _used(device)
    times = f"{after / state:.2f}" if device == "cuda" else "–"  # noqa: RUF001 - the dash of a table
    return [
        law,
        f"{side}^2",
        f"{state / _MB:.1f}",
        f"{before / _MB:.1f}",
        f"{after / _MB:.1f}",
        times,
        f"{steps:,} in {took:.0f} s",
    ]


def _used(device: str) -> int:
    """Bytes allocated on the GPU, or resident in the process."""
    if device == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    return psutil.Process().memory_info().rss


def report(laws: Sequence[str], side: int, device: str, seconds: float, rate: float, steps: int) -> list[str]:
    """Both tables."""
    where = "allocated at most" if device == "cuda" else "resident"
    return [
        f"Viewed: frames of the default field, uint8, at most {rate:g} per second, read by another thread. Recorded: every "
        f"{EVERY} steps, float32, default codec. Medians of 5 in turn. Each step: the bytes of the default field in float32"
        " at every step. A fast law takes many steps between two frames, a slow one few.",
        "",
        *table(
            "law | grid | plan | steps | alone, s | viewed | and recorded | bytes alone | viewed, MB | each step, MB | less",
            [cost(law, side, device, seconds, rate) for law in laws],
        ),
        "",
        f"Memory in MB: {where}, after 2,000 steps and after many more.",
        "",
        *table(
            "law | grid | state | after 2,000 | after all | over the state | steps",
            [memory(law, side // 4, device, steps) for law in laws],
        ),
    ]


def main() -> None:
    """Prints the tables, and writes them to `--out`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--laws", nargs="+", choices=list(CASES), default=list(NETWORKS))
    parser.add_argument("--side", type=int, default=512, help="side of the viewed grid; a quarter of it for the memory")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--seconds", type=float, default=2.0, help="of steps in each measurement, approximately")
    parser.add_argument("--rate", type=float, default=60.0, help="frames per second")
    parser.add_argument("--steps", type=int, default=100_000 if device == "cuda" else 2_000, help="for the memory table")
    wanted = parser.parse_args()
    lines = report(wanted.laws, wanted.side, wanted.device, wanted.seconds, wanted.rate, wanted.steps)
    publish("Live viewing", lines, wanted.out)


if __name__ == "__main__":
    main()
