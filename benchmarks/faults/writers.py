"""What may happen to the one that writes: a slow disk, a folder that goes away, an error in its thread, a second writer."""

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
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.kills import FRAMES, edit, motor, wrong_with
from benchmarks.faults.nursery import Ended, nursery, second_nursery

_SLOW_FROM_THEN_ON, _SLOW_US = 5, 3_000  # a manner of `writes.c`; for each write
_STRUCK = ("edits flushed", "frame appended", "frame flushed", "frame counted")
_ERRORS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (RuntimeError, OSError, MemoryError, ValueError)}
_SOON_S = 1.0


def record(
    path: str, slow_us: int = 0, error: str = "", moment: str = "", nth: int = 1, away: str = "", until: int = 0
) -> None:
    """Records the run of `kills`; prints as JSON how far it came, how it ended, and what was said of waiting.

    Args:
        slow_us: what each write to the file takes longer.
        error: raised in the writer's thread when `moment` is reached for the `nth` time; each step is then waited for.
        away: what becomes of the folder at step `nth`: "removed" or "renamed".
        until: write until somebody says at PATH.go how to go on: "on", or "die".
    """
    said: dict[str, Any] = {"steps": 0, "frames": 0, "code": 0, "message": "", "waited": 0.0, "warned": []}
    log = logging.getLogger("aetheria")
    log.addHandler(handler := logging.Handler(logging.WARNING))
    handler.emit = lambda record: said["warned"].append(record.getMessage())  # type: ignore[method-assign]
    if slow_us:
        ctypes.CDLL(None).writes_arm(b"run", ctypes.c_long(1), _SLOW_FROM_THEN_ON, slow_us)
    with ExitStack() as stack:
        running = stack.enter_context(motor())
        if error:
            stack.enter_context(on_failpoints(_raising(error, moment, nth)))
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
                        _take_away(Path(path).parent, away)
                    if until and running.step_count == until:
                        _heed(Path(path))
        except AetheriaError as failure:
            said |= {"code": failure.exit_code, "message": str(failure)}
        said |= {"steps": running.step_count}
        if recorder:
            said |= {"frames": recorder.frames, "waited": recorder.waited_s}
    print(json.dumps(said))


def second(path: str, overwrite: bool) -> None:
    """Tries to write the file that another one writes; prints how it was refused and after how many seconds."""
    with motor() as running:
        began = time.monotonic()
        try:
            Recorder(running, path, overwrite=overwrite).finish()
            message = ""
        except AetheriaError as error:
            message = str(error)
        print(json.dumps({"message": message, "seconds": time.monotonic() - began}))


def _raising(error: str, moment: str, nth: int) -> Any:
    reached = 0

    def act(now: str) -> None:
        nonlocal reached
        reached += now == moment
        if now == moment and reached == nth:
            raise _ERRORS[error]("struck")

    return act


def _take_away(folder: Path, how: str) -> None:
    if how == "removed":
        shutil.rmtree(folder)
    else:
        folder.rename(_renamed(folder))


def _renamed(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-renamed")


def _heed(path: Path) -> None:
    path.with_suffix(".at").touch()
    go = path.with_suffix(".go")
    while not go.exists() or not (said := go.read_text()):
        time.sleep(0.005)
    if said == "die":
        os.kill(os.getpid(), signal.SIGKILL)


def _said(ended: Ended) -> dict[str, Any]:
    """What a child said as JSON; nothing if it did not end as it should."""
    found: dict[str, Any] = json.loads(ended.said.splitlines()[-1]) if ended.code == 0 else {}
    return found


def slow(times: int) -> Outcome:
    """Each write takes longer than a step: the motor waits, loses nothing, says that it waits and how long it did."""
    outcome, waited = Outcome(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for _ in range(times):
            outcome.runs += 1
            said = _said(ended := nursery().run("benchmarks.faults.writers:record", path=str(path), slow_us=_SLOW_US))
            if not said or said["code"]:
                outcome.wrong.append(f"{ended}")
                continue
            waited += said["waited"]
            outcome.wrong += wrong_with(path, FRAMES)
            if said["waited"] <= 1 or [line for line in said["warned"] if "the motor waits" in line] != said["warned"]:
                outcome.wrong.append(f"it waited {said['waited']:.1f} s, and said {said['warned']}")
            if len(said["warned"]) != 1:
                outcome.wrong.append(f"it said {len(said['warned'])} times that it waits")
    outcome.found = f"waited {waited:.0f} s, said so once a run, no frame lost"
    return outcome


def vanished(times: int) -> Outcome:
    """The folder is removed or renamed: the next commit fails, the run ends."""
    outcome = Outcome()
    for number in range(times):
        how, step = ("removed", "renamed")[number % 2], 3 + number % 40
        with tempfile.TemporaryDirectory() as place:
            (folder := Path(place) / "runs").mkdir()
            path = folder / "run.h5"
            ended = nursery().run("benchmarks.faults.writers:record", path=str(path), away=how, nth=step)
            outcome.runs += 1
            said = _said(ended)
            if not said or said["code"] != 5 or "run.h5" not in said["message"]:
                outcome.wrong.append(f"{how} at {step}: {ended}")
                continue
            if (said["steps"], said["frames"]) != (step + 1, step + 1):
                outcome.wrong.append(f"{how} at {step}: {said['frames']} frames, ended at step {said['steps']}")
            if how == "renamed":
                outcome.wrong += [f"renamed at {step}: {line}" for line in wrong_with(_renamed(folder) / "run.h5", step + 1)]
    outcome.found = "stopped within one frame, each time"
    return outcome


def throwing(times: int) -> Outcome:
    """The writer's thread raises, at each moment of a commit: the run ends within one frame, with that error."""
    outcome, kinds = Outcome(), list(_ERRORS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for number in range(times):
            given: dict[str, Any] = {"moment": _STRUCK[number % 4], "error": kinds[number // 4 % 4], "nth": 2 + number % 9}
            where = f"{given['error']} at {given['moment']} {given['nth']}"
            ended = nursery().run("benchmarks.faults.writers:record", path=str(path), **given)
            outcome.runs += 1
            said = _said(ended)
            if not said or said["code"] != 5 or "struck" not in said["message"]:
                outcome.wrong.append(f"{where}: {ended}")
                continue
            if said["steps"] > said["frames"] + 1:
                outcome.wrong.append(f"{where}: {said['frames']} frames, ended at step {said['steps']}")
            outcome.wrong += [f"{where}: {line}" for line in wrong_with(path, said["frames"])]
    outcome.found = "stopped within one frame, each time; every committed frame readable"
    return outcome


def two(times: int) -> Outcome:
    """A second writer is refused, and the first's file is whole; when the first is killed, another may write."""
    outcome, longest, other = Outcome(), 0.0, second_nursery()
    for number in range(times):
        overwrite, killed = number % 2 == 0, number // 2 % 2 == 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.h5"
            nursery().start("benchmarks.faults.writers:record", path=str(path), until=FRAMES // 2)
            while not path.with_suffix(".at").exists():
                time.sleep(0.005)
            # Twice: what the machine does besides may hold up one.
            tries = [_said(other.run("benchmarks.faults.writers:second", path=str(path), overwrite=overwrite)) for _ in "12"]
            path.with_suffix(".go").write_text("die" if killed else "on")
            ended = nursery().wait()
            outcome.runs += 1
            if not all(said and "run.h5: " in said["message"] for said in tries):
                outcome.wrong.append(f"not refused: {tries}")
                continue
            longest = max(longest, soonest := min(said["seconds"] for said in tries))
            if soonest > _SOON_S:
                outcome.wrong.append(f"refused after {soonest:.1f} s")
            if ended.code != (-signal.SIGKILL if killed else 0):
                outcome.wrong.append(f"the first: {ended}")
            outcome.wrong += wrong_with(path, 1 if killed else FRAMES)
            again = _said(other.run("benchmarks.faults.writers:second", path=str(path), overwrite=True))
            if again.get("message", "no answer"):
                outcome.wrong.append(f"afterwards: {again}")
    outcome.found = f"refused after {longest:.1f} s at the longest"
    return outcome


FAULTS = [
    Fault("a slow disk", "the motor waits, says so and for how long; no frame lost", slow, 1, 20),
    Fault("the folder vanishes while it is written to", "code 5 within one frame; where it is, it is whole", vanished, 2, 40),
    Fault("the writer's thread raises an error", "code 5 within one frame; frames readable", throwing, 4, 144),
    Fault("a second writer", "refused within a second, by name; the first's file whole", two, 4, 40),
]
