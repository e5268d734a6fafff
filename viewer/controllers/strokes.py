"""Strokes on a motor's cells, and how they are taken back. Everything here is done in one thread, the source's worker."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import StateError
from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.brushes import BrushName, Dab, PaintTarget, apply_dab, touched_regions
from viewer.model.region import Region

Array = NDArray[Any]
MEMORY = 64 << 20  # bytes of cells that are kept to take strokes back
_ROOM = 4096  # cells that a block may hold beyond twice what is painted in it


@dataclass(frozen=True, eq=False)
class StrokePatch:
    """Cells of a block as they were: at the places where `where` `(h, w)` is true, `values` `(B or 1, C, n)`."""

    region: Region
    where: NDArray[np.bool_]
    values: Array

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self.where.nbytes + self.values.nbytes


@dataclass(eq=False)
class Stroke:
    """What is painted from pressing the mouse to releasing it, and taken back at once.

    Attributes:
        brush: that paints it.
        universe: the one that is painted, or None for all.
        patches: each cell it changed, as it was before; once taken back, as it was then.
        target: what it is painted on, None until the first dab.
        step: of the last change.
    """

    brush: BrushName
    universe: int | None
    patches: list[StrokePatch] = field(default_factory=list)
    target: PaintTarget | None = None
    touched: NDArray[np.bool_] | None = None
    step: int = 0

    @property
    def bytes(self) -> int:
        """Of memory."""
        return sum(patch.bytes for patch in self.patches)


class Painter:
    """Paints on a motor and remembers the strokes, the oldest ones as long as there is memory.

    Attributes:
        done, undone: strokes that can be taken back, and those that can be painted again; the last one first to go.
        too_large: a stroke was forgotten because it alone is more than the memory.
    """

    def __init__(self, motor: Aetheria_Motor, target: PaintTarget, memory: int = MEMORY) -> None:
        self.motor = motor
        self.target = target
        self.memory = memory
        self.done: list[Stroke] = []
        self.undone: list[Stroke] = []
        self.too_large = False

    def paint(self, stroke: Stroke, dabs: Sequence[Dab]) -> None:
        """Goes on with a stroke."""
        if stroke.target is None:
            self._begin(stroke)
        assert stroke.target is not None
        touches = [(region, dab) for dab in dabs for region in touched_regions(dab, stroke.target)]
        for block, members in grouped([region for region, _ in touches]):
            with self.motor.turn:
                before = self._read(block, stroke.universe)
                after = before.copy()
                for region, dab in (touches[k] for k in members):
                    part = _part(after, block, region)
                    part[...] = apply_dab(part, region.top, region.left, dab, stroke.target)
                self._write(block, after, stroke)
            self._remember(stroke, block, before, after)
        self._keep_within_memory()

    def undo(self) -> bool:
        """Takes the last stroke back; whether there was one."""
        return self._swap(self.done, self.undone)

    def redo(self) -> bool:
        """Paints the stroke again that was taken back last; whether there was one."""
        return self._swap(self.undone, self.done)

    def forget(self) -> None:
        """No stroke can be taken back any more."""
        self.done.clear()
        self.undone.clear()

    def _begin(self, stroke: Stroke) -> None:
        self._forget_another_run()
        if self.done:
            self.done[-1].touched = None  # it is complete
        stroke.target = replace(self.target, unit=self._unit(stroke.universe))
        stroke.touched = np.zeros(self.target.grid, np.bool_)
        stroke.step = self.motor.step_count

    def _unit(self, universe: int | None) -> float:
        """The largest amplitude there is, so that what is painted is seen, whatever the law normalises to."""
        if not self.target.complex:
            return 1.0
        densities = self.motor.read("density")
        largest = float((densities if universe is None else densities[universe]).max())
        return math.sqrt(largest) if math.isfinite(largest) and largest > 0 else 1.0

    def _remember(self, stroke: Stroke, block: Region, before: Array, after: Array) -> None:
        if stroke.touched is None:
            return  # forgotten: it is too large
        touched = _part(stroke.touched, Region(0, 0, *self.target.grid), block)
        fresh = (before != after).any((0, 1)) & ~touched
        touched |= fresh
        if fresh.any():
            if not stroke.patches:  # a stroke that changes nothing is none
                self.undone.clear()
                self.done.append(stroke)
            stroke.patches.append(StrokePatch(block, fresh, before[..., fresh]))

    def _swap(self, taken_from: list[Stroke], given_to: list[Stroke]) -> bool:
        self._forget_another_run()
        if not taken_from:
            return False
        stroke = taken_from.pop()
        now: list[StrokePatch] = []
        for block, members in grouped([patch.region for patch in stroke.patches]):
            with self.motor.turn:
                cells = self._read(block, stroke.universe)
                for patch in (stroke.patches[k] for k in members):
                    part = _part(cells, block, patch.region)
                    now.append(replace(patch, values=part[..., patch.where]))
                    part[..., patch.where] = patch.values
                self._write(block, cells, stroke)
        stroke.patches, stroke.touched = now, None
        given_to.append(stroke)
        return True

    def _forget_another_run(self) -> None:
        """Forgets strokes that were painted before the run began again."""
        if any(stroke.step > self.motor.step_count for stroke in (*self.done, *self.undone)):
            self.forget()

    def _keep_within_memory(self) -> None:
        while self.done and sum(stroke.bytes for stroke in self.done) > self.memory:
            self.too_large = len(self.done) == 1
            forgotten = self.done.pop(0)
            forgotten.patches, forgotten.touched = [], None

    def _read(self, block: Region, universe: int | None) -> Array:
        """The cells of a block, `(B or 1, C, h, w)`; the caller's own."""
        cells = self.motor.cells_at(*block.as_tuple())
        wanted = cells if universe is None else cells[universe : universe + 1]
        return self.motor.optimizer.move_to_cpu_batch([wanted])[0].numpy()

    def _write(self, block: Region, cells: Array, stroke: Stroke) -> None:
        if not np.isfinite(cells).all():
            raise StateError(
                f"The cells near ({block.top}, {block.left}) hold NaN or Inf; paint over all of them at full strength, or "
                "reset the run"
            )
        given = cells if stroke.universe is None else cells[0]
        self.motor.set_cells(given, at=(block.top, block.left), universe=stroke.universe)
        stroke.step = self.motor.step_count


def grouped(regions: Sequence[Region]) -> Iterator[tuple[Region, list[int]]]:
    """Runs of regions that fit into one block which is not much larger than they are: the block, and which ones."""
    block: Region | None = None
    members: list[int] = []
    covered = 0
    for k, region in enumerate(regions):
        wider = region if block is None else _around(block, region)
        covered += region.height * region.width
        if block is not None and wider.height * wider.width > 2 * covered + _ROOM:
            yield block, members
            wider, members, covered = region, [], region.height * region.width
        block = wider
        members.append(k)
    if block is not None:
        yield block, members


def _around(one: Region, other: Region) -> Region:
    top, left = min(one.top, other.top), min(one.left, other.left)
    bottom = max(one.top + one.height, other.top + other.height)
    right = max(one.left + one.width, other.left + other.width)
    return Region(top, left, bottom - top, right - left)


def _part(cells: Array, block: Region, region: Region) -> Array:
    """The view of `cells`, which lie at `block`, that lies at `region`."""
    top, left = region.top - block.top, region.left - block.left
    return cells[..., top : top + region.height, left : left + region.width]
