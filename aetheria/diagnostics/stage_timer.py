"""Time by stage: functions are wrapped while a profile is taken, and cost nothing otherwise."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

STAGE = "stage: "  # prefix of a stage's name in a trace


@dataclass(frozen=True)
class TimedFunction:
    """A function that is a stage: `owner.attribute`, of a module, class or object."""

    owner: Any
    attribute: str
    stage: str


@dataclass
class StageTime:
    """The time of a stage.

    Attributes:
        seconds: without the stages inside it.
        calls: number of calls.
        in_background: it ran in another thread than the one that is profiled.
    """

    name: str
    seconds: float = 0.0
    calls: int = 0
    in_background: bool = False


class StageTimer:
    """Adds up the time of stages, which may be nested, in any number of threads."""

    def __init__(self, device: torch.device) -> None:
        """
        Args:
            device: on CUDA it is synchronised at both ends of a stage, so that its work counts in the stage that queued it.
        """
        self._device = device
        self._profiled_thread = threading.get_ident()
        self._lock = threading.Lock()
        self._stages: dict[tuple[str, bool], StageTime] = {}
        self._inner = threading.local()  # seconds spent in stages inside the present one

    @property
    def stages(self) -> tuple[StageTime, ...]:
        """The stages, the longest first."""
        with self._lock:
            return tuple(sorted(self._stages.values(), key=lambda stage: -stage.seconds))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage; a trace shows it, too."""
        outer = getattr(self._inner, "seconds", 0.0)
        self._inner.seconds = 0.0
        began = self._now()
        try:
            with torch.autograd.profiler.record_function(STAGE + name):
                yield
        finally:
            seconds = self._now() - began
            self._record(name, seconds - self._inner.seconds)
            self._inner.seconds = outer + seconds

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _record(self, name: str, seconds: float) -> None:
        in_background = threading.get_ident() != self._profiled_thread
        with self._lock:
            stage = self._stages.setdefault((name, in_background), StageTime(name, in_background=in_background))
            stage.seconds += seconds
            stage.calls += 1


@contextmanager
def timed_stages(functions: Sequence[TimedFunction], device: torch.device) -> Iterator[StageTimer]:
    """Wraps the functions inside the block, and puts the originals back after it."""
    timer = StageTimer(device)
    originals: list[tuple[TimedFunction, bool, Callable[..., Any]]] = []
    try:
        for timed in functions:
            original = getattr(timed.owner, timed.attribute)
            originals.append((timed, timed.attribute in vars(timed.owner), original))
            setattr(timed.owner, timed.attribute, _wrapped(original, timed.stage, timer))
        yield timer
    finally:
        for timed, own, original in reversed(originals):
            if own:
                setattr(timed.owner, timed.attribute, original)
            else:
                delattr(timed.owner, timed.attribute)  # the inherited function is visible again


def _wrapped(function: Callable[..., Any], name: str, timer: StageTimer) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with timer.stage(name):
            return function(*args, **kwargs)

    return wrapper
