"""Recordings that were cut short, or in which bits were turned over: what is read is right, or there is an error."""

import functools
import json
import random
import tempfile
from pathlib import Path

import numpy as np

from aetheria import Recording
from aetheria.errors import AetheriaError
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


def inflict(times: int, killed: bool) -> Outcome:
    """Damages a recording that was closed, or whose writer was killed, again and again."""
    outcome, dice, right, refused = Outcome(), random.Random(7), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        strike = (800, 0) if killed else None
        nursery().run(
            "benchmarks.faults.kills:record", path=str(path), codec="gzip", promises=str(Path(folder) / "p"), strike=strike
        )
        content = path.read_bytes()
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


FAULTS = [
    Fault(
        f"bits turned over or an end cut off in a recording {'whose writer was killed' if killed else 'that was closed'}",
        "a clear error or right frames; no hang, no crash of the interpreter, no wrong frame",
        functools.partial(inflict, killed=killed),
        few=8,
        many=1000,
    )
    for killed in (False, True)
]
