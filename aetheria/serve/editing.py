"""Edits of a motor's cells by readers, with undo."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from aetheria.core.block import Block
from aetheria.core.errors import ConfigError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.serve.cells import CellBlock
from aetheria.serve.protocol import MAX_READ_VALUES

_KEPT_BYTES = 1 << 24  # of replaced cells, for undo


class CellEditor:
    """Reads and changes the cells of a motor for readers. What they replace is kept for undo, up to 16 MiB.

    Edits are the motor's own: they stand in its log, and a replay repeats them.
    """

    def __init__(self, motor: Aetheria_Motor) -> None:
        self._motor = motor
        self._done: list[CellBlock] = []
        self._undone: list[CellBlock] = []

    def read(self, values: Mapping[str, Any]) -> CellBlock:
        """The cells of a block `at`, `size`, of a `universe`; with `ahead` one step on, which is not taken.

        Raises:
            ConfigError: numbers that are none, or more cells than a message may hold. StateError: the block leaves the grid.
        """
        at, size, universe = values.get("at"), values.get("size"), values.get("universe", 0)
        rank = len(self._motor.shape) - 2
        for name, numbers in (("at", at), ("size", size)):
            if not isinstance(numbers, list) or len(numbers) != rank or not all(type(n) is int and n >= 0 for n in numbers):
                raise ConfigError(f"read {name}: {numbers!r} given; expected {rank} whole numbers, one for each axis")
        if (count := self._motor.shape[1] * math.prod(size or ())) > MAX_READ_VALUES:
            raise ConfigError(f"read: {count:,} values wanted; expected up to {MAX_READ_VALUES:,} at a time")
        return self._present(tuple(at or ()), tuple(size or ()), universe, ahead=values.get("ahead") is True)

    def amplitude(self, universe: object) -> float:
        """The largest amplitude of a cell of a universe, or of all for None: the root of the largest density."""
        densities = self._motor.read("density")
        return math.sqrt(max(0.0, float((densities if universe is None else densities[self._checked(universe)]).max())))

    def set(self, block: CellBlock) -> None:
        """Sets cells. Raises StateError for cells that the law cannot have, or a block that leaves the grid."""
        self._done.append(self._replace(block))
        self._undone.clear()
        while len(self._done) > 1 and sum(one.values.nbytes for one in self._done) > _KEPT_BYTES:
            del self._done[0]

    def undo(self) -> None:
        """Puts back what the last edit replaced. Raises ConfigError where there is none."""
        self._swap(self._done, self._undone, "undo")

    def redo(self) -> None:
        """Repeats the last edit that was undone. Raises ConfigError where there is none."""
        self._swap(self._undone, self._done, "redo")

    def forget(self) -> None:
        """Keeps nothing for undo and redo any more: the run began anew."""
        self._done.clear()
        self._undone.clear()

    def _swap(self, taken_from: list[CellBlock], given_to: list[CellBlock], name: str) -> None:
        if not taken_from:
            raise ConfigError(f"{name}: no edit of a reader is left to {name}")
        given_to.append(self._replace(taken_from[-1]))
        taken_from.pop()

    def _replace(self, block: CellBlock) -> CellBlock:
        """Sets cells, and returns those that were there."""
        with self._motor.turn:
            before = self._present(block.at, block.values.shape[1:], block.universe)
            # Never as bytes, which a motor may read as a picture.
            values = block.values.astype(np.float32)
            if block.where is not None and values.shape == before.values.shape:
                values = np.where(block.where, values, before.values)
            self._motor.set_cells(values, block.at, block.universe)
        return before

    def _present(self, at: tuple[int, ...], size: tuple[int, ...], universe: object, ahead: bool = False) -> CellBlock:
        number, block = self._checked(universe), Block(at, size)
        with self._motor.turn:
            step, cells = self._motor.step_count, self._motor.cells_at(block)
            if ahead:
                cells = self._motor.next_cells()[block.index]
        values = self._motor.optimizer.move_to_cpu_batch([cells[number : number + 1]])[0].float().numpy()[0]
        return CellBlock(at, values, number, step)

    def _checked(self, universe: object) -> int:
        if type(universe) is not int or not 0 <= universe < self._motor.shape[0]:
            raise ConfigError(f"cells universe: {universe!r} given; expected 0 to {self._motor.shape[0] - 1}")
        return universe
