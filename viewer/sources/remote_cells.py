"""The cells of a served run, read and changed by messages. No Qt."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.block import Block
from aetheria.core.errors import ConfigError, StateError
from aetheria.serve.cells import CellBlock
from aetheria.serve.client import Done, Refusal, RemoteRun
from aetheria.serve.protocol import MAX_CELL_BYTES, MAX_READ_VALUES

Array = NDArray[Any]
Answer = CellBlock | Done | Refusal
_WAIT_S = 20.0  # for an answer
_ASKED = ("read", "cells", "amplitude")  # commands that are answered


class Answers:
    """Questions to a server that are not answered yet; answers come in the order of the questions. For any thread."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[Answer], None]] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, then: Callable[[Answer], None]) -> None:
        """The next question's answer is for `then`; to be called before the question is sent."""
        with self._lock:
            self._waiting.append(then)

    def forget(self, then: Callable[[Answer], None]) -> None:
        """The question of `then` was not sent."""
        with self._lock:
            if then in self._waiting:
                self._waiting.remove(then)

    def give(self, answer: Answer) -> bool:
        """Hands an answer to the first question; False where it answers none."""
        with self._lock:
            if (isinstance(answer, Refusal) and answer.command not in _ASKED) or not self._waiting:
                return False
            then = self._waiting.popleft()
        then(answer)
        return True

    def lose(self, reason: str) -> None:
        """Answers every question with a refusal: no answer will come any more."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for then in waiting:
            then(Refusal(reason))


class RemoteCells:
    """The cells of a run elsewhere; see `CellAccess`. The thread of the source waits for the answers, no other one does.

    Steps may be taken between reading and writing: only the cells that were to change are set then. A block that takes more
    than one message to read is refused where a step was taken in between.
    """

    def __init__(self, run: Callable[[], RemoteRun], answers: Answers, universes: int) -> None:
        """
        Args:
            run: the present connection.
            answers: to which its answers are handed.
            universes: their number.
        """
        self._run, self._answers, self._universes = run, answers, universes
        self._step = self._step_read = 0

    @property
    def step(self) -> int:
        """Steps done, as the server told last."""
        self._step = int(self._run().status.get("step", self._step))
        return self._step

    @property
    def step_read(self) -> int:
        return self._step_read

    @property
    def turn(self) -> AbstractContextManager[object]:
        return nullcontext()

    def read(self, block: Block, universe: int | None, *, ahead: bool = False) -> Array:
        channels, numbers = int(self._run().welcome["channels"]), self._numbers(universe)
        values = np.empty((len(numbers), channels, *block.size), np.float32)
        parts = list(_parts(block.size, MAX_READ_VALUES // channels))
        waiting = []
        for number, (start, size) in product(numbers, parts):
            at = [corner + offset for corner, offset in zip(block.corner, start, strict=True)]
            waiting.append(self._ask("read", at=at, size=size, universe=number, ahead=ahead))
        steps = set()
        for place, (answered, (start, size)) in enumerate(zip(waiting, parts * len(numbers), strict=True)):
            found = _answer(answered)
            assert isinstance(found, CellBlock)
            values[place // len(parts)][..., *_index(start, size)] = found.values
            steps.add(found.step or 0)
        if len(steps) > 1:
            raise StateError(
                f"The run went on, from step {min(steps):,} to {max(steps):,}, while its cells were read: pause it, or take "
                "fewer cells"
            )
        self._step_read = steps.pop()
        return values

    def write(self, values: Array, block: Block, universe: int | None, where: NDArray[np.bool_] | None = None) -> None:
        states = self._run().welcome["states"]
        # Whole states are sent as bytes.
        sent = values.astype(np.uint8) if states is not None and states <= 256 else np.asarray(values, np.float32)
        each = sent.shape[1] * sent.itemsize + (where is not None)
        waiting = []
        for (place, number), (start, size) in product(
            enumerate(self._numbers(universe)), list(_parts(block.size, MAX_CELL_BYTES // each))
        ):
            index = _index(start, size)
            mask = None if where is None else where[index]
            if mask is not None and not mask.any():
                continue
            at = tuple(corner + offset for corner, offset in zip(block.corner, start, strict=True))
            part = CellBlock(at, sent[place][..., *index], number, None, mask)
            waiting.append(self._wait(lambda part=part: self._run().set_cells(part)))  # type: ignore[misc]
        for answered in waiting:
            _answer(answered)

    def amplitude(self, universe: int | None) -> float:
        found = _answer(self._ask("amplitude", universe=universe))
        return float("nan") if not isinstance(found, Done) or found.value is None else float(found.value)

    def _numbers(self, universe: int | None) -> list[int]:
        return list(range(self._universes)) if universe is None else [universe]

    def _ask(self, command: str, **values: Any) -> "queue.SimpleQueue[Answer]":
        return self._wait(lambda: self._run().send(command, **values))

    def _wait(self, send: Callable[[], None]) -> "queue.SimpleQueue[Answer]":
        answered: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        then = answered.put
        self._answers.wait(then)
        try:
            send()
        except BaseException:
            self._answers.forget(then)
            raise
        return answered


def _answer(answered: "queue.SimpleQueue[Answer]") -> Answer:
    """Raises ConfigError for a refusal, and where no answer comes."""
    try:
        answer = answered.get(timeout=_WAIT_S)
    except queue.Empty:
        raise ConfigError(f"The server did not answer within {_WAIT_S:g} s; the cells may not have been changed") from None
    if isinstance(answer, Refusal):
        raise ConfigError(answer.message)
    return answer


def _parts(size: tuple[int, ...], most: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Corners and sizes of parts of at most so many cells; only the first axis that must be is cut, and those before it."""
    rest = int(np.prod(size[1:]))
    if rest <= most or len(size) == 1:
        rows = max(1, most // rest)
        for start in range(0, size[0], rows):
            yield (start, *(0 for _ in size[1:])), (min(rows, size[0] - start), *size[1:])
        return
    for row in range(size[0]):
        for corner, part in _parts(size[1:], most):
            yield (row, *corner), (1, *part)


def _index(start: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(first, first + count) for first, count in zip(start, size, strict=True))
