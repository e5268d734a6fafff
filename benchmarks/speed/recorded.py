"""Time of recording in the checkout of Aetheria that is first on the path; a script, run in a process of its own.

PYTHONPATH=CHECKOUT python benchmarks/speed/recorded.py '{"case": "Life 512^2", "frames": 60}'
"""

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from aetheria import Aetheria_Motor, GrowingNCA, Life, Recorder
from aetheria.recording import checksums, frame_writer, growing_file

EVERY = 10  # steps between frames
_WARM_UP = 3  # frames that are not counted, while caches are cold


def _life(side: int) -> Aetheria_Motor:
    return Aetheria_Motor(Life(), side, 1, "cpu", {"plan": "packed"}, seed=1)


def _growing(side: int) -> Aetheria_Motor:
    return Aetheria_Motor(GrowingNCA(), side, 16, "cpu", {"plan": "eager"}, seed=1)


CASES: dict[str, tuple[Callable[[int], Aetheria_Motor], int, str]] = {  # a motor, its side, the field
    "Life 512^2": (_life, 512, "channel_0"),
    "Life 64^2": (_life, 64, "channel_0"),
    "GrowingNCA 256^2, rgb": (_growing, 256, "rgb"),
}
_TIMED_METHODS = {
    "_commit": "commit",
    "_check_values": "finite check",
    "_check_space": "space check",
    "_append": "append",
    "append": "append",
}


class CommitTimes:
    """CPU seconds of commits and of their parts in the recorder's thread; "wall" is the wall time of a commit."""

    def __init__(self) -> None:
        self.commits: list[dict[str, float]] = []
        self._now: dict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Times commits in the block."""
        with ExitStack() as patched:
            self._patch(patched, frame_writer.FrameWriter, _TIMED_METHODS)
            self._patch(patched, growing_file.GrowingFile, _TIMED_METHODS)
            self._patch(patched, checksums, {"of_field": "checksums", "of_row": "checksums"})
            yield

    def _patch(self, patched: ExitStack, owner: Any, parts: dict[str, str]) -> None:
        for name, part in parts.items():
            if hasattr(owner, name):
                patched.enter_context(patch.object(owner, name, self._timed(getattr(owner, name), part)))

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            began, clock = time.thread_time(), time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self._now[part] += time.thread_time() - began
                if part == "commit":
                    self._now["wall"] = time.perf_counter() - clock
                    self.commits.append(dict(self._now))
                    self._now.clear()

        return timed


def measure(case: str, frames: int, side: int | None = None) -> dict[str, float]:
    """Records `frames` frames of a case.

    Returns:
        Medians over the frames: "commit", "wall" and the parts. Over the run: "rate", steps per second, and "process", CPU
        seconds per frame of all threads, with the steps.
    """
    torch.set_num_threads(1)
    make, usual, field = CASES[case]
    parts = CommitTimes()
    with tempfile.TemporaryDirectory() as folder, make(side or usual) as motor:
        with Recorder(motor, Path(folder) / "warm.h5", fields=[field], every=EVERY):
            motor.step(_WARM_UP * EVERY)
        with parts.timing():
            with Recorder(motor, Path(folder) / "run.h5", fields=[field], every=EVERY):
                began, used = time.perf_counter(), time.process_time()
                motor.step(frames * EVERY)
            seconds, used = time.perf_counter() - began, time.process_time() - used
    names = sorted(set().union(*parts.commits))
    found = {name: statistics.median(commit.get(name, 0.0) for commit in parts.commits) for name in names}
    return {**found, "rate": frames * EVERY / seconds, "process": used / len(parts.commits)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(**json.loads(sys.argv[1]))) + "\n")
