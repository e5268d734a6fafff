"""The log of a motor's edits: bounded, and followed by whoever records them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.controls import Value
from aetheria.motor.edits import Array, CellsEdit, ControlEdit, Edit, RestartEdit, StateEdit

LOG_BYTES = 2**28  # of a log; a longer one is shortened


class EditLog:
    """All edits since a motor's start or last restart, from which its state can be had again. Written under the motor's turn.

    Past `LOG_BYTES` the log is shortened: the present state, and the controls as they are, stand for all that led there.

    Attributes:
        start: the law's controls when the log was made.
        count: edits ever logged.
    """

    def __init__(
        self,
        law: Law,
        seed: int,
        state: Callable[[], Mapping[str, Any]],
        fetch: Callable[[Sequence[Tensor]], list[Tensor]],
        *,
        enabled: bool = True,
    ) -> None:
        """
        Args:
            law: whose controls may change.
            seed: of the motor.
            state: gives the motor's `state_dict`.
            fetch: copies tensors from a device to the CPU.
            enabled: False: nothing is logged.
        """
        self.start = controls_of(law)
        self.count = 0
        self._law, self._seed = law, seed
        self._state, self._fetch = state, fetch
        self._enabled = enabled
        self._edits: list[Edit] = []
        self._bytes = 0
        self._followers: WeakSet[EditReader] = WeakSet()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits, in the order in which they were made."""
        return tuple(self._edits)

    def cells(self, step: int, at: tuple[int, int] | None, universe: int | None, values: Tensor) -> None:
        """Logs cells `(C, h, w)` or `(B, C, h, w)` that were set."""
        if self._enabled:
            top, left = at or (0, 0)
            number = None if universe is None else int(universe)
            self._add(CellsEdit(step, (int(top), int(left)), number, self._array(values)))

    def control(self, step: int, name: str) -> None:
        """Logs a control that was changed to what it is now."""
        if self._enabled:
            self._add(ControlEdit(step, name, controls_of(self._law)[name]))

    def state(self, step: int) -> None:
        """Logs that at `step` the state became what it is now."""
        if self._enabled:
            self._add(self._present(step))

    def restart(self, seed: int) -> None:
        """Forgets all but how the start now differs from the first: its seed, and the law's controls."""
        self._edits, self._bytes = [], 0
        if not self._enabled:
            return
        if seed != self._seed:
            self._edits.append(RestartEdit(seed))
        now = controls_of(self._law)
        self._edits += [ControlEdit(0, name, value) for name, value in now.items() if value != self.start[name]]

    def shorten(self) -> None:
        """Lets the present state, and the controls as they are, stand for all that led there."""
        self.restart(self._seed)
        if self._enabled:
            self._edits.append(self._present(0))

    def follow(self, held: int | None = None) -> "EditReader":
        """The edits so far, and from now on each as it is made; close it when done.

        Args:
            held: how many edits the reader has from before, which lead to the present state; then none so far is given again.
        """
        follower = EditReader(self._edits, self.count) if held is None else EditReader((), self.count, held)
        self._followers.add(follower)
        return follower

    def _add(self, edit: Edit) -> None:
        self._edits.append(edit)
        self.count += 1
        for follower in self._followers:
            if not follower.closed:
                follower.waiting.append(edit)
        self._bytes += _size(edit)
        if self._bytes > LOG_BYTES:
            self.shorten()

    def _present(self, step: int) -> StateEdit:
        state = self._state()
        cells, *memory = (self._array(tensor) for tensor in (state["cells"], *state["memory"]))
        return StateEdit(step, int(state["step"]), int(state["seed"]), cells, tuple(memory))

    def _array(self, tensor: Tensor) -> Array:
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # NumPy has none; float32 holds it exactly
        host = self._fetch([tensor])[0] if tensor.is_cuda else tensor
        return np.array(host.numpy(), order="C")  # a copy: the caller's may change


class EditReader:
    """A log's edits for one reader, which may be another thread.

    Attributes:
        waiting: edits not yet taken.
        closed: no more edits are wanted.
    """

    def __init__(self, so_far: Sequence[Edit], count: int, held: int = 0) -> None:
        self.waiting = deque(so_far)
        self.closed = False
        self._offset = held + len(so_far) - count

    def take(self) -> list[Edit]:
        """The edits that wait, once."""
        return [self.waiting.popleft() for _ in range(len(self.waiting))]

    def place(self, count: int) -> int:
        """How many of this reader's edits had been made when the log had counted `count`."""
        return count + self._offset

    def close(self) -> None:
        """Takes no more."""
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
