"""Recordings that were cut short, or in which bits were turned over: what is read or saved is right, or there is an error."""

import functools
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aetheria import Recording
from aetheria.core.errors import AetheriaError
from aetheria.recording.repair.repair import repair
from benchmarks.faults import kills
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import nursery

_PATIENCE_S = 20.0


def examine(path: str) -> None:
    """Reads all that a damaged recording of the run of `kills` holds; prints how many frames were right and what was wrong."""
    right, refused, wrong = 0, 0, []
    try:
        with Recording(path) as recording:
            for index in range(len(recording)):
                try:
                    frame = recording[index]
                    if frame.step != index or not np.array_equal(frame["channel_0"], kills.expected()[index]):
                        wrong.append(f"frame {index} is not that of the run")
                    right += 1
                except AetheriaError:
                    refused += 1
            _ = recording.edits
    except AetheriaError:
        refused += 1
    print(json.dumps({"right": right, "refused": refused, "wrong": wrong}))


def damaged(content: bytes, dice: random.Random) -> bytes:
    """A copy that was cut short, or with one to eight bits turned over, most often among the first bytes."""
    if dice.random() < 0.25:
        return content[: dice.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        changed[dice.randrange(dice.choice((len(content), 20_000)))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def recorded(folder: Path, killed: bool) -> bytes:
    """A recording of the run of `kills` that was closed, or whose writer was killed."""
    path = folder / "run.h5"
    strike = (800, 0) if killed else None
    nursery().run(
        "benchmarks.faults.kills:record", path=str(path), codec="gzip", promises=str(folder / "promises"), strike=strike
    )
    return path.read_bytes()


def inflict(times: int, killed: bool) -> Outcome:
    """Damages a recording that was closed, or whose writer was killed, again and again."""
    outcome, dice, right, refused = Outcome(), random.Random(7), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        content = recorded(Path(folder), killed)
        for number in range(times):
            path.write_bytes(damaged(content, dice))
            ended = nursery().run("benchmarks.faults.damage:examine", path=str(path), patience_s=_PATIENCE_S)
            outcome.runs += 1
            if ended.code != 0:
                outcome.wrong.append(f"damage {number}: ended with {ended.code}: {ended.said[-200:]!r}")
                continue
            said = json.loads(ended.said.splitlines()[-1])
            outcome.wrong += [f"damage {number}: {line}" for line in said["wrong"]]
            right, refused = right + said["right"], refused + said["refused"]
    outcome.found = f"{right:,} frames read and right, {refused:,} frames or files refused"
    return outcome


def attempt(path: Path, out: Path, skip: Sequence[str]) -> tuple[int | None, str]:
    """As `aetheria.recording.repair.repair.salvage_in_subprocess`, without the seconds that an interpreter takes to start."""
    task = "aetheria.recording.repair.salvage:salvage_and_exit"
    ended = nursery().run(task, path=str(path), out=str(out), skip=list(skip), patience_s=_PATIENCE_S)
    return ended.code, ended.said


def mend(times: int, killed: bool) -> Outcome:
    """Damages recordings as `inflict` does, and repairs them."""
    outcome, dice, frames, whole, refused = Outcome(), random.Random(8), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "run.h5", Path(folder) / "out.h5"
        content = recorded(Path(folder), killed)
        for number in range(times):
            given = damaged(content, dice)
            path.write_bytes(given)
            outcome.runs += 1
            try:
                saved = repair(path, out, overwrite=True, attempt=attempt)
            except AetheriaError:
                refused += 1
                continue
            frames, whole = frames + saved.frames, whole + saved.complete
            wrong = [
                *_differences(out, saved.frames),
                *(["the damaged file was changed"] if path.read_bytes() != given else []),
            ]
            outcome.wrong += [f"damage {number}: {line}" for line in wrong]
    outcome.found = f"{frames:,} frames saved and right, {whole:,} files in full, of {refused:,} nothing"
    return outcome


def _differences(out: Path, count: int) -> list[str]:
    with Recording(out) as recording:
        steps = list(recording.steps)
        wrong = [f"{count} frames were told, {len(steps)} are there"] if len(steps) != count else []
        if sorted(set(steps)) != steps:
            wrong.append("steps are not in order")
        wrong += [
            f"the frame of step {frame.step} is not that of the run"
            for frame in recording
            if not np.array_equal(frame["channel_0"], kills.expected()[frame.step])
        ]
        if [edit.step for edit in recording.edits] != [5 * i for i in range(len(recording.edits))]:
            wrong.append("the edits are not those of the run")
    return wrong


_WHICH = {False: "that was closed", True: "whose writer was killed"}

FAULTS = [
    Fault(
        f"bits turned over or an end cut off in a recording {which}",
        "a clear error or right frames; no hang, no crash of the interpreter, no wrong frame",
        functools.partial(inflict, killed=killed),
        few=8,
        many=1000,
    )
    for killed, which in _WHICH.items()
] + [
    Fault(
        f"`aetheria repair` of a recording {which}, with bits turned over or an end cut off",
        "a clear error, or a whole recording of frames that are all right; the damaged file stays as it is",
        functools.partial(mend, killed=killed),
        few=8,
        many=1000,
    )
    for killed, which in _WHICH.items()
]
