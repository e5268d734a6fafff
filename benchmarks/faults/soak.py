"""Long runs with a recording: memory, handles and threads stay what they were when the run had found its pace."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from aetheria import Life, Recorder, build_law
from aetheria.motor.motor import Aetheria_Motor
from benchmarks.faults.fault import Fault, Outcome

_LIZARD = Path(__file__).parents[2] / "configs/weights/growing_nca_lizard.safetensors"
_SETTLED = 0.1  # of the run, after which nothing may grow; compilers, caches and the file's own index fill before
_GROWTH = 0.01  # of resident memory
_PIECES = 50


def life() -> Aetheria_Motor:
    """Life on 256^2, packed."""
    return Aetheria_Motor(Life(), 256, 1, "cpu", {"plan": "packed"}, seed=1)


def growing() -> Aetheria_Motor:
    """Growing NCA, the trained lizard with its random masks: one with random weights grows until it overflows."""
    law = build_law("GrowingNCA", weights=_LIZARD)
    return Aetheria_Motor(law, 48, 16, "cpu", initial="seed", seed=1)


def soak(make: Callable[[], Aetheria_Motor], every: int) -> Callable[[int], Outcome]:
    """Takes so many steps of a motor, recording every so many."""

    def inflict(steps: int) -> Outcome:
        outcome, process = Outcome(steps), psutil.Process()
        with tempfile.TemporaryDirectory() as folder, make() as motor:
            with Recorder(motor, Path(folder) / "run.h5", every=every) as recorder:
                motor.step(max(1, int(steps * _SETTLED)))
                before = _held(process)
                highest = before
                for _ in range(_PIECES):
                    motor.step(max(1, (steps - motor.step_count) // _PIECES))
                    highest = tuple(map(max, highest, _held(process)))  # type: ignore[assignment]
                motor.step(max(0, steps - motor.step_count))
                highest = tuple(map(max, highest, _held(process)))  # type: ignore[assignment]
            if recorder.frames != steps // every + 1:
                outcome.wrong.append(f"{recorder.frames:,} frames of {steps // every + 1:,}")
        growth = highest[0] / before[0] - 1
        if growth > _GROWTH:
            outcome.wrong.append(f"resident memory grew by {growth:.1%}, from {before[0] >> 20} MiB")
        if highest[1:] != before[1:]:
            outcome.wrong.append(f"handles and threads were {before[1:]}, and came to {highest[1:]}")
        outcome.found = f"memory {growth:+.2%} of {before[0] >> 20} MiB, {before[1]} handles, {before[2]} threads"
        return outcome

    return inflict


def _held(process: psutil.Process) -> tuple[int, int, int]:
    """Bytes of resident memory, open handles, threads."""
    return process.memory_info().rss, process.num_fds(), process.num_threads()


_TARGET = "resident memory grows under 1 %, handles and threads constant"
FAULTS = [
    Fault("steps of Life 256^2 with recording", _TARGET, soak(life, 1000), 20_000, 1_000_000),
    Fault("steps of GrowingNCA 48^2 with recording", _TARGET, soak(growing, 20), 400, 20_000),
]
