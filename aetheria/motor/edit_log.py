"""The log of a motor's edits: bounded, with readers that follow it."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.controls import Value
from aetheria.motor.cells import BlockUpdate
from aetheria.motor.edits import Array, CellsEdit, ControlEdit, Edit, RestartEdit, StateEdit
from aetheria.motor.stepper import Stepper

LOG_BYTES = 2**28  # of a log; a longer one is shortened


@dataclass(frozen=True)
class LogVersion:
    """Which list a log is, and how long."""

    edits: list[Edit]
    length: int

    def same(self, other: "LogVersion") -> bool:
        """Whether the log has not changed between the two."""
        return self.edits is other.edits and self.length == other.length


class EditLog:
    """All edits since a motor's start or last restart, from which its state can be had again. For the lock's holder.

    Past `LOG_BYTES` the log is shortened: the present state, and the controls as they are, stand for all that led there.

    Attributes:
        start: the law's controls when the log was made.
        count: edits ever logged.
    """

    def __init__(self, stepper: Stepper, fetch: Callable[[Sequence[Tensor]], list[Tensor]], *, enabled: bool = True) -> None:
        """
        Args:
            stepper: of the state that is edited.
            fetch: copies tensors from a device to the CPU.
            enabled: False: nothing is logged.
        """
        self.start = controls_of(stepper.law)
        self.count = 0
        self._stepper, self._seed = stepper, stepper.seed
        self._fetch = fetch
        self._enabled = enabled
        self._edits: list[Edit] = []
        self._bytes = 0
        self._readers: WeakSet[EditReader] = WeakSet()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits, in the order in which they were made."""
        return tuple(self._edits)

    def saved(self) -> tuple[Any, ...]:
        """The log as it is, without its readers; for `restore`."""
        return self.start, self.count, self._seed, self.edits, self._bytes

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Takes a log over that another motor kept."""
        self.start, self.count, self._seed, edits, self._bytes = saved
        self._edits = list(edits)

    def add_cells(self, update: BlockUpdate) -> None:
        """Logs cells that were set."""
        if self._enabled:
            number = None if update.universe is None else int(update.universe)
            self._add(CellsEdit(self._stepper.step, update.block.corner, number, self._array(update.given)))

    def add_control(self, name: str) -> None:
        """Logs a control that was changed to what it is now."""
        if self._enabled:
            self._add(ControlEdit(self._stepper.step, name, controls_of(self._stepper.law)[name]))

    def add_state(self, step: int) -> None:
        """Logs that at `step` the state became what it is now."""
        if self._enabled:
            self._add(self._present(step))

    def restart(self) -> None:
        """Forgets all but how the start now differs from the first: its seed, and the law's controls."""
        self._replace(self._start_edits(self._stepper.seed))

    def shorten(self) -> None:
        """Lets the present state, and the controls as they are, stand for all that led there."""
        self._replace([*self._start_edits(self._seed), self._present(0)] if self._enabled else [])

    def _start_edits(self, seed: int) -> list[Edit]:
        if not self._enabled:
            return []
        restarted: list[Edit] = [RestartEdit(seed)] if seed != self._seed else []
        now = controls_of(self._stepper.law)
        return restarted + [ControlEdit(0, name, value) for name, value in now.items() if value != self.start[name]]

    def _replace(self, edits: list[Edit]) -> None:
        self._edits, self._bytes = edits, 0

    @property
    def version(self) -> "LogVersion":
        """Of the log as it is now."""
        return LogVersion(self._edits, len(self._edits))

    def follow(self, held: int | None = None) -> "EditReader":
        """The edits so far, and from now on each as it is made; close it when done.

        Args:
            held: how many edits the reader has from before, which lead to the present state; then none so far is given again.
        """
        reader = EditReader(self._edits, self.count) if held is None else EditReader((), self.count, held)
        self._readers.add(reader)
        return reader

    def _add(self, edit: Edit) -> None:
        number = self.count
        try:
            self._put(edit, number)
        except BaseException:  # Ctrl-C: all readers get it, or none
            self._put(edit, number)
            raise
        self._bytes += _size(edit)
        if self._bytes > LOG_BYTES:
            self.shorten()

    def _put(self, edit: Edit, number: int) -> None:
        """Adds an edit; may be repeated."""
        if not self._edits or self._edits[-1] is not edit:
            self._edits.append(edit)
        self.count = number + 1
        for reader in self._readers:
            if not reader.closed:
                reader.waiting.append(edit)

    def _present(self, step: int) -> StateEdit:
        cells, *memory = map(self._array, self._stepper.state)
        return StateEdit(step, self._stepper.step, self._stepper.seed, cells, tuple(memory), self._stepper.own.saved())

    def _array(self, tensor: Tensor) -> Array:
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # NumPy has none; float32 holds it exactly
        host = self._fetch([tensor])[0] if tensor.is_cuda else tensor
        return np.array(host.numpy(), order="C")  # a copy: the caller's may change


class EditReader:
    """A log's edits for one reader, which may be another thread.

    Attributes:
        waiting: edits that were not read yet.
        closed: no more edits are added.
    """

    def __init__(self, so_far: Sequence[Edit], count: int, held: int = 0) -> None:
        self.waiting = deque(so_far)
        self.closed = False
        self._offset = held + len(so_far) - count
        self._last: Edit | None = None

    def read(self) -> list[Edit]:
        """The waiting edits, each once."""
        found: list[Edit] = []
        for _ in range(len(self.waiting)):
            edit = self.waiting.popleft()
            if edit is not self._last:  # a log that was interrupted adds its last edit again
                found.append(edit)
            self._last = edit
        return found

    def position(self, count: int) -> int:
        """Number of this reader's edits that had been made when the log had counted `count`."""
        return count + self._offset

    def close(self) -> None:
        """Ends the reading: later edits are not added."""
        self.closed = True


def controls_of(law: Law) -> dict[str, Value]:
    """The present values of a law's controls."""
    return {control.name: law.get_control(control.name) for control in law.controls}


def _size(edit: Edit) -> int:
    match edit:
        case CellsEdit():
            return edit.values.nbytes
        case StateEdit():
            return edit.cells.nbytes + sum(array.nbytes for array in edit.memory)
    return 0
