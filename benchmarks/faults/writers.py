"""Faults of the writer: a slow disk, a missing folder, an error in its thread, a second writer."""

import ctypes
import json
import logging
import os
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aetheria import Recorder
from aetheria.core.errors import AetheriaError
from aetheria.core.failpoints import on_failpoints
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ChildResult, fork_server, second_fork_server
from benchmarks.faults.kills import FRAMES, edit, motor, wrong_with

_SLOW_FROM_THEN_ON, _SLOW_US = 5, 3_000  # a mode of `writes.c`; microseconds per write
_STRUCK = ("edits flushed", "frame appended", "frame flushed", "frame counted")
_ERRORS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (RuntimeError, OSError, MemoryError, ValueError)}
_SOON_S = 1.0


def record(
    path: str, slow_us: int = 0, error: str = "", failpoint: str = "", nth: int = 1, away: str = "", until: int = 0
) -> None:
    """Records the run of `kills`; prints steps, frames, exit code, waiting time and warnings as JSON.

    Args:
        slow_us: microseconds added to each write to the file.
        error: raised in the writer's thread when failpoint `failpoint` is reached for the `nth` time; each step is then synced.
        away: fate of the folder at step `nth`: "removed" or "renamed".
        until: step at which to wait for the file PATH.go, which contains "on" or "die".
    """
    report: dict[str, Any] = {"steps": 0, "frames": 0, "code": 0, "message": "", "waited": 0.0, "warned": []}
    log = logging.getLogger("aetheria")
    log.addHandler(handler := logging.Handler(logging.WARNING))
    handler.emit = lambda record: report["warned"].append(record.getMessage())  # type: ignore[method-assign]
    if slow_us:
        ctypes.CDLL(None).writes_arm(b"run", ctypes.c_long(1), _SLOW_FROM_THEN_ON, slow_us)
    with ExitStack() as stack:
        running = stack.enter_context(motor())
        if error:
            stack.enter_context(on_failpoints(_raising(error, failpoint, nth)))
        recorder = None
        try:
            with Recorder(running, path, overwrite=True) as recorder:
                while running.step_count < FRAMES - 1:
                    if running.step_count % 5 == 0:
                        edit(running)
                    running.step(1)
                    if error or away:
                        recorder.sync()
                    if away and running.step_count == nth:
                        _move_folder(Path(path).parent, away)
                    if until and running.step_count == until:
                        _wait_for_order(Path(path))
        except AetheriaError as failure:
            report |= {"code": failure.exit_code, "message": str(failure)}
        report |= {"steps": running.step_count}
        if recorder:
            report |= {"frames": recorder.frames, "waited": recorder.waited_s}
    print(json.dumps(report))


def second(path: str, overwrite: bool) -> None:
    """Tries to write the file of another writer; prints the refusal and the seconds until it."""
    with motor() as running:
        began = time.monotonic()
        try:
            Recorder(running, path, overwrite=overwrite).finish()
            message = ""
        except AetheriaError as error:
            message = str(error)
        print(json.dumps({"message": message, "seconds": time.monotonic() - began}))


def _raising(error: str, failpoint: str, nth: int) -> Any:
    reached = 0

    def act(now: str) -> None:
        nonlocal reached
        reached += now == failpoint
        if now == failpoint and reached == nth:
            raise _ERRORS[error]("struck")

    return act


def _move_folder(folder: Path, how: str) -> None:
    if how == "removed":
        shutil.rmtree(folder)
    else:
        folder.rename(_renamed(folder))


def _renamed(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-renamed")


def _wait_for_order(path: Path) -> None:
    path.with_suffix(".at").touch()
    go = path.with_suffix(".go")
    while not go.exists() or not (report := go.read_text()):
        time.sleep(0.005)
    if report == "die":
        os.kill(os.getpid(), signal.SIGKILL)


def _report_of(ended: ChildResult) -> dict[str, Any]:
    """The JSON that a child printed; empty if it failed."""
    found: dict[str, Any] = json.loads(ended.output.splitlines()[-1]) if ended.code == 0 else {}
    return found


def slow(times: int) -> FaultResult:
    """Each write takes longer than a step."""
    result, waited = FaultResult(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for _ in range(times):
            result.runs += 1
            report = _report_of(
                ended := fork_server().run("benchmarks.faults.writers:record", path=str(path), slow_us=_SLOW_US)
            )
            if not report or report["code"]:
                result.failures.append(f"{ended}")
                continue
            waited += report["waited"]
            result.failures += wrong_with(path, FRAMES)
            if report["waited"] <= 1 or [line for line in report["warned"] if "the motor waits" in line] != report["warned"]:
                result.failures.append(f"it waited {report['waited']:.1f} s, and warned {report['warned']}")
            if len(report["warned"]) != 1:
                result.failures.append(f"it warned {len(report['warned'])} times")
    result.summary = f"waited {waited:.0f} s, reported once per run, no frame lost"
    return result


def vanished(times: int) -> FaultResult:
    """The folder is removed or renamed during the run."""
    result = FaultResult()
    for number in range(times):
        how, step = ("removed", "renamed")[number % 2], 3 + number % 40
        with tempfile.TemporaryDirectory() as place:
            (folder := Path(place) / "runs").mkdir()
            path = folder / "run.h5"
            ended = fork_server().run("benchmarks.faults.writers:record", path=str(path), away=how, nth=step)
            result.runs += 1
            report = _report_of(ended)
            if not report or report["code"] != 5 or "run.h5" not in report["message"]:
                result.failures.append(f"{how} at {step}: {ended}")
                continue
            # The frame that was waiting is written, too: what is lost is the file's name.
            if report["steps"] != step + 1 or report["frames"] not in (step + 1, step + 2):
                result.failures.append(f"{how} at {step}: {report['frames']} frames, ended at step {report['steps']}")
            if how == "renamed":
                result.failures += [f"renamed at {step}: {line}" for line in wrong_with(_renamed(folder) / "run.h5", step + 1)]
    result.summary = "always stopped within one frame"
    return result


def throwing(times: int) -> FaultResult:
    """The writer's thread raises an error at each failpoint of a commit."""
    result, kinds = FaultResult(), list(_ERRORS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for number in range(times):
            given: dict[str, Any] = {"failpoint": _STRUCK[number % 4], "error": kinds[number // 4 % 4], "nth": 2 + number % 9}
            where = f"{given['error']} at {given['failpoint']} {given['nth']}"
            ended = fork_server().run("benchmarks.faults.writers:record", path=str(path), **given)
            result.runs += 1
            report = _report_of(ended)
            if not report or report["code"] != 5 or "struck" not in report["message"]:
                result.failures.append(f"{where}: {ended}")
                continue
            if report["steps"] > report["frames"] + 1:
                result.failures.append(f"{where}: {report['frames']} frames, ended at step {report['steps']}")
            result.failures += [f"{where}: {line}" for line in wrong_with(path, report["frames"])]
    result.summary = "always stopped within one frame; every committed frame readable"
    return result


def two(times: int) -> FaultResult:
    """A second writer is refused while the first writes; when the first is killed, another may write."""
    result, longest, other = FaultResult(), 0.0, second_fork_server()
    for number in range(times):
        overwrite, killed = number % 2 == 0, number // 2 % 2 == 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.h5"
            fork_server().start("benchmarks.faults.writers:record", path=str(path), until=FRAMES // 2)
            while not path.with_suffix(".at").exists():
                time.sleep(0.005)
            # Twice: other load of the machine may delay one.
            tries = [
                _report_of(other.run("benchmarks.faults.writers:second", path=str(path), overwrite=overwrite)) for _ in "12"
            ]
            path.with_suffix(".go").write_text("die" if killed else "on")
            ended = fork_server().wait()
            result.runs += 1
            if not all(report and "run.h5: " in report["message"] for report in tries):
                result.failures.append(f"not refused: {tries}")
                continue
            longest = max(longest, soonest := min(report["seconds"] for report in tries))
            if soonest > _SOON_S:
                result.failures.append(f"refused after {soonest:.1f} s")
            if ended.code != (-signal.SIGKILL if killed else 0):
                result.failures.append(f"the first: {ended}")
            result.failures += wrong_with(path, 1 if killed else FRAMES)
            again = _report_of(other.run("benchmarks.faults.writers:second", path=str(path), overwrite=True))
            if again.get("message", "no answer"):
                result.failures.append(f"afterwards: {again}")
    result.summary = f"refused after at most {longest:.1f} s"
    return result


FAULTS = [
    Fault("a slow disk", "the motor waits and reports for how long; no frame is lost", slow, 1, 20),
    Fault(
        "the folder is removed or renamed during writing",
        "exit code 5 within one frame; a renamed file is complete",
        vanished,
        2,
        40,
    ),
    Fault("the writer's thread raises an error", "exit code 5 within one frame; committed frames readable", throwing, 4, 144),
    Fault(
        "a second writer", "refused within a second, with the name of the file; the first writer's file is complete", two, 4, 40
    ),
]
