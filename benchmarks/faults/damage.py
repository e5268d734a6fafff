"""Damaged recordings: truncated, or with flipped bits; reads and repairs give correct frames or an error."""

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
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import fork_server

_TIMEOUT_S = 20.0


def examine(path: str) -> None:
    """Reads the frames of a damaged recording of the run of `kills`; prints the numbers of correct and refused ones."""
    right, refused, wrong = 0, 0, []
    try:
        with Recording(path) as recording:
            for index in range(len(recording)):
                try:
                    frame = recording[index]
                    if frame.step != index or not np.array_equal(frame["channel_0"], kills.expected()[index]):
                        wrong.append(f"frame {index} differs from the run")
                    right += 1
                except AetheriaError:
                    refused += 1
            _ = recording.edits
    except AetheriaError:
        refused += 1
    print(json.dumps({"right": right, "refused": refused, "wrong": wrong}))


def damaged(content: bytes, dice: random.Random) -> bytes:
    """A truncated copy, or one with one to eight flipped bits, most often among the first bytes."""
    if dice.random() < 0.25:
        return content[: dice.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        changed[dice.randrange(dice.choice((len(content), 20_000)))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def make_recording(folder: Path, killed: bool) -> bytes:
    """A recording of the run of `kills`: closed, or of a killed writer."""
    path = folder / "run.h5"
    strike = (800, 0) if killed else None
    fork_server().run(
        "benchmarks.faults.kills:record", path=str(path), codec="gzip", promises=str(folder / "promises"), strike=strike
    )
    return path.read_bytes()


def inject(times: int, killed: bool) -> FaultResult:
    """Damages and reads a recording that was closed, or whose writer was killed."""
    result, dice, right, refused = FaultResult(), random.Random(7), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        content = make_recording(Path(folder), killed)
        for number in range(times):
            path.write_bytes(damaged(content, dice))
            ended = fork_server().run("benchmarks.faults.damage:examine", path=str(path), timeout_s=_TIMEOUT_S)
            result.runs += 1
            if ended.code != 0:
                result.failures.append(f"damage {number}: ended with {ended.code}: {ended.output[-200:]!r}")
                continue
            report = json.loads(ended.output.splitlines()[-1])
            result.failures += [f"damage {number}: {line}" for line in report["wrong"]]
            right, refused = right + report["right"], refused + report["refused"]
    result.summary = f"{right:,} frames read and correct, {refused:,} frames or files refused"
    return result


def attempt(path: Path, out: Path, skip: Sequence[str]) -> tuple[int | None, str]:
    """As `aetheria.recording.repair.repair.salvage_in_subprocess`, without the time to start an interpreter."""
    task = "aetheria.recording.repair.salvage:salvage_and_exit"
    ended = fork_server().run(task, path=str(path), out=str(out), skip=list(skip), timeout_s=_TIMEOUT_S)
    return ended.code, ended.output


def inject_and_repair(times: int, killed: bool) -> FaultResult:
    """Damages recordings as `inject` does, and repairs them."""
    result, dice, frames, whole, refused = FaultResult(), random.Random(8), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "run.h5", Path(folder) / "out.h5"
        content = make_recording(Path(folder), killed)
        for number in range(times):
            given = damaged(content, dice)
            path.write_bytes(given)
            result.runs += 1
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
            result.failures += [f"damage {number}: {line}" for line in wrong]
    result.summary = f"{frames:,} frames saved and correct, {whole:,} files completely, {refused:,} not at all"
    return result


def _differences(out: Path, count: int) -> list[str]:
    with Recording(out) as recording:
        steps = list(recording.steps)
        wrong = [f"{count} frames were reported, the file holds {len(steps)}"] if len(steps) != count else []
        if sorted(set(steps)) != steps:
            wrong.append("steps are not in order")
        wrong += [
            f"the frame of step {frame.step} differs from the run"
            for frame in recording
            if not np.array_equal(frame["channel_0"], kills.expected()[frame.step])
        ]
        if [edit.step for edit in recording.edits] != [5 * i for i in range(len(recording.edits))]:
            wrong.append("the edits differ from the run")
    return wrong


_WHICH = {False: "that was closed", True: "whose writer was killed"}

FAULTS = [
    Fault(
        f"flipped bits or a missing end in a recording {which}",
        "a clear error or correct frames; no hang, no crash of the interpreter, no wrong frame",
        functools.partial(inject, killed=killed),
        few=8,
        many=1000,
    )
    for killed, which in _WHICH.items()
] + [
    Fault(
        f"`aetheria repair` of a recording {which}, with flipped bits or a missing end",
        "a clear error or a complete recording of correct frames; the damaged file stays unchanged",
        functools.partial(inject_and_repair, killed=killed),
        few=8,
        many=1000,
    )
    for killed, which in _WHICH.items()
]
