"""Long recorded runs: memory, handles and threads stay constant after the warm-up."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from aetheria import Life, Recorder, build_law
from aetheria.motor.motor import Aetheria_Motor
from benchmarks.faults.fault import Fault, FaultResult

_LIZARD = Path(__file__).parents[2] / "configs/weights/growing_nca_lizard.safetensors"
_WARM_UP = 0.1  # share of the run in which compilers, caches and the index of the file may still grow
_GROWTH = 0.01  # largest, of resident memory
_PIECES = 50
_A_DAY = 24 * 60 * 60 * 60  # steps, at 60 a second


def life() -> Aetheria_Motor:
    """Life on 256^2, packed."""
    return Aetheria_Motor(Life(), 256, 1, "cpu", {"plan": "packed"}, seed=1)


def growing() -> Aetheria_Motor:
    """The trained lizard: with random weights cells grow until they overflow."""
    law = build_law("GrowingNCA", weights=_LIZARD)
    return Aetheria_Motor(law, 48, 16, "cpu", initial="seed", seed=1)


def soak(make: Callable[[], Aetheria_Motor], every: int) -> Callable[[int], FaultResult]:
    """Steps a motor that is recorded every `every` steps."""

    def inject(steps: int) -> FaultResult:
        result, process = FaultResult(steps), psutil.Process()
        with tempfile.TemporaryDirectory() as folder, make() as motor:
            with Recorder(motor, Path(folder) / "run.h5", every=every) as recorder:
                motor.step(max(1, int(steps * _WARM_UP)))
                before = _held(process)
                highest = before
                for _ in range(_PIECES):
                    motor.step(max(1, (steps - motor.step_count) // _PIECES))
                    highest = tuple(map(max, highest, _held(process)))  # type: ignore[assignment]
                motor.step(max(0, steps - motor.step_count))
                highest = tuple(map(max, highest, _held(process)))  # type: ignore[assignment]
            if recorder.frames != steps // every + 1:
                result.failures.append(f"{recorder.frames:,} frames of {steps // every + 1:,}")
        growth = highest[0] / before[0] - 1
        if growth > _GROWTH:
            result.failures.append(f"resident memory grew by {growth:.1%}, from {before[0] >> 20} MiB")
        if highest[1:] != before[1:]:
            result.failures.append(f"handles and threads were {before[1:]}, and rose to {highest[1:]}")
        result.summary = f"memory {growth:+.2%} of {before[0] >> 20} MiB, {before[1]} handles, {before[2]} threads"
        return result

    return inject


def _held(process: psutil.Process) -> tuple[int, int, int]:
    """Bytes of resident memory, open handles, threads."""
    return process.memory_info().rss, process.num_fds(), process.num_threads()


_TARGET = "resident memory grows by less than 1 %; handles and threads are constant"
FAULTS = [
    Fault("steps of Life 256^2 with recording", _TARGET, soak(life, 1000), 20_000, _A_DAY),
    Fault("steps of GrowingNCA 48^2 with recording", _TARGET, soak(growing, 20), 400, 200_000),
]
