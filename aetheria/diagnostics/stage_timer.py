"""Where time goes, stage by stage: functions are wrapped while somebody watches, and cost nothing otherwise."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

STAGE = "stage: "  # what the name of a stage begins with in a trace


@dataclass(frozen=True)
class Mark:
    """A function that is a stage: `owner.attribute`, of a module, class or object."""

    owner: Any
    attribute: str
    stage: str


@dataclass
class Stage:
    """What a stage took.

    Attributes:
        seconds: in it, without the stages inside it.
        calls: how often it was entered.
        beside: it ran in another thread than the one that watched.
    """

    name: str
    seconds: float = 0.0
    calls: int = 0
    beside: bool = False


class Stopwatch:
    """Adds up the time of stages that may hold each other, in any number of threads."""

    def __init__(self, device: torch.device) -> None:
        """
        Args:
            device: on CUDA it is waited for at both ends of a stage, so that its work counts where it was asked for.
        """
        self._device = device
        self._watcher = threading.get_ident()
        self._lock = threading.Lock()
        self._stages: dict[tuple[str, bool], Stage] = {}
        self._inside = threading.local()  # seconds that were spent in stages within the present one

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The longest first."""
        with self._lock:
            return tuple(sorted(self._stages.values(), key=lambda stage: -stage.seconds))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts what happens in the block as this stage's; a trace shows it too."""
        outer = getattr(self._inside, "seconds", 0.0)
        self._inside.seconds = 0.0
        began = self._now()
        try:
            with torch.autograd.profiler.record_function(STAGE + name):
                yield
        finally:
            took = self._now() - began
            self._add(name, took - self._inside.seconds)
            self._inside.seconds = outer + took

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _add(self, name: str, seconds: float) -> None:
        beside = threading.get_ident() != self._watcher
        with self._lock:
            stage = self._stages.setdefault((name, beside), Stage(name, beside=beside))
            stage.seconds += seconds
            stage.calls += 1


@contextmanager
def watched(marks: Sequence[Mark], device: torch.device) -> Iterator[Stopwatch]:
    """Wraps what is marked inside the block, and puts it back after."""
    watch = Stopwatch(device)
    before: list[tuple[Mark, bool, Callable[..., Any]]] = []
    try:
        for mark in marks:
            function = getattr(mark.owner, mark.attribute)
            before.append((mark, mark.attribute in vars(mark.owner), function))
            setattr(mark.owner, mark.attribute, _timed(function, mark.stage, watch))
        yield watch
    finally:
        for mark, own, function in reversed(before):
            if own:
                setattr(mark.owner, mark.attribute, function)
            else:
                delattr(mark.owner, mark.attribute)  # it was inherited, and is again


def _timed(function: Callable[..., Any], name: str, watch: Stopwatch) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with watch.stage(name):
            return function(*args, **kwargs)

    return timed
