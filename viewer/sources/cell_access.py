"""Reading and changing cells, as the tools do it, wherever the cells are. No Qt."""

import math
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.block import Block
from aetheria.laws.base import Law
from aetheria.motor.motor import Aetheria_Motor

Array = NDArray[Any]


class CellAccess(Protocol):
    """The cells of a run, for jobs in the thread of its source. Blocks of cells are `(B or 1, C, *size)`."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def step_read(self) -> int:
        """Step of the cells that were read last."""

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Inside of it no step is taken, where that can be helped: see `write`."""

    def read(self, block: Block, universe: int | None, *, ahead: bool = False) -> Array:
        """A copy of the cells of a block, of one universe or of all.

        Args:
            ahead: as the next step, which is not taken, will make them.

        Raises:
            AetheriaError: they cannot be read.
        """

    def write(self, values: Array, block: Block, universe: int | None, where: NDArray[np.bool_] | None = None) -> None:
        """Sets the cells of a block, as one edit.

        Args:
            values: `(B or 1, C, *size)`, of all cells of the block.
            where: `(*size)`, the cells that are to change: where steps cannot be kept from being taken since the cells were
                read, only these are set. None for all.

        Raises:
            AetheriaError: cells that the law cannot have.
        """

    def amplitude(self, universe: int | None) -> float:
        """The largest amplitude of a cell, of a law of complex amplitudes; 0 or not finite where there is none."""


@runtime_checkable
class EditableSource(Protocol):
    """A source whose cells tools can change, unless it says why not.

    Attributes:
        law: its properties; the law may be elsewhere.
        cells: for jobs in the thread of the source.
        not_edited: the reason why its cells cannot be changed; empty where they can.
    """

    not_edited: str

    @property
    def law(self) -> Law:
        """The properties of the law; it may be stepped elsewhere."""

    @property
    def cells(self) -> CellAccess:
        """The cells, for jobs in the thread of the source."""

    def refresh(self, restarted: bool = False) -> None:
        """Shows the present cells, which were edited; only for jobs in the thread of the source."""

    def invalidate_levels(self) -> None:
        """Finds levels and histogram anew: the cells were edited."""


class MotorCells:
    """The cells of a motor in this process."""

    def __init__(self, motor: Aetheria_Motor) -> None:
        self._motor = motor

    @property
    def step(self) -> int:
        return self._motor.step_count

    @property
    def step_read(self) -> int:
        return self._motor.step_count

    @property
    def turn(self) -> AbstractContextManager[object]:
        return self._motor.turn

    def read(self, block: Block, universe: int | None, *, ahead: bool = False) -> Array:
        cells: Tensor = self._motor.next_cells()[block.index] if ahead else self._motor.cells_at(block)
        wanted = cells if universe is None else cells[universe : universe + 1]
        return np.asarray(self._motor.optimizer.move_to_cpu_batch([wanted])[0].numpy())

    def write(self, values: Array, block: Block, universe: int | None, where: NDArray[np.bool_] | None = None) -> None:
        self._motor.set_cells(values if universe is None else values[0], at=block.corner, universe=universe)

    def amplitude(self, universe: int | None) -> float:
        densities = self._motor.read("density")
        return math.sqrt(max(0.0, float((densities if universe is None else densities[universe]).max())))
