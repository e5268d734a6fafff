"""Strokes on the cells of a run, with undo. Runs in one thread, the source's worker. No Qt."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import StateError
from viewer.controllers.brushes import BrushName, Dab, PaintTarget, apply_dab, touched_regions
from viewer.controllers.cell_changes import CellsChange, stepped
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.sources.cell_access import CellAccess

Array = NDArray[Any]
MEMORY = 64 << 20  # bytes of cells kept for undo
_ROOM = 4096  # cells that a block may hold beyond twice the painted ones


@dataclass(frozen=True, eq=False)
class StrokePatch:
    """Previous cells of a rectangle: `values` `(B or 1, C, n)` at the places where `where` `(h, w)` is true."""

    region: Region
    where: NDArray[np.bool_]
    values: Array

    @property
    def bytes(self) -> int:
        """Memory used."""
        return self.where.nbytes + self.values.nbytes


@dataclass(eq=False)
class Stroke:
    """The cells painted between pressing and releasing the mouse, undone as a whole.

    Attributes:
        brush: name of the brush, or "edit" for a change of a selection.
        universe: the painted universe, None for all.
        plane: the plane it is painted on; regions are those of its present cells.
        patches: previous values of each changed cell; after undo, the painted ones.
        target: properties of the cells, None until the first dab.
        step: of the last change.
    """

    brush: BrushName | Literal["edit"]
    universe: int | None
    plane: Plane
    patches: list[StrokePatch] = field(default_factory=list)
    target: PaintTarget | None = None
    touched: NDArray[np.bool_] | None = None
    step: int = 0

    @property
    def bytes(self) -> int:
        """Memory used."""
        return sum(patch.bytes for patch in self.patches)


class Painter:
    """Paints on the cells of a run and keeps the strokes for undo, within a limit of memory.

    Attributes:
        done, undone: strokes to undo, and strokes to repeat, the next one last.
        too_large: a stroke was dropped because it alone exceeds the limit.
    """

    def __init__(self, cells: CellAccess, target: PaintTarget, memory: int = MEMORY) -> None:
        self.cells = cells
        self.target = target
        self.memory = memory
        self.done: list[Stroke] = []
        self.undone: list[Stroke] = []
        self.too_large = False

    def paint(self, stroke: Stroke, dabs: Sequence[Dab]) -> None:
        """Adds dabs to a stroke."""
        if stroke.target is None:
            self._begin(stroke)
        assert stroke.target is not None
        touches = [(region, dab) for dab in dabs for region in touched_regions(dab, stroke.target)]
        for block, members in grouped([region for region, _ in touches]):
            with self.cells.turn:
                before = self.read(block, stroke)
                after = before.copy()
                for region, dab in (touches[k] for k in members):
                    part = _part(after, block, region)
                    part[...] = apply_dab(part, region.top, region.left, dab, stroke.target)
                self._write(block, after, stroke, (before != after).any((0, 1)))
            self._remember(stroke, block, before, after)
        self._keep_within_memory()

    def change(self, stroke: Stroke, changes: Sequence[CellsChange]) -> None:
        """Changes rectangles at once, as a stroke of its own."""
        self._begin(stroke)
        assert stroke.target is not None
        with self.cells.turn:
            for change in changes:
                before = self.read(change.region, stroke)
                after = np.ascontiguousarray(change.after(before, stroke.target), before.dtype)
                self._write(change.region, after, stroke)
                self._remember(stroke, change.region, before, after)
        self._keep_within_memory()

    def advance(self, stroke: Stroke, regions: Sequence[Region]) -> None:
        """Advances the cells of rectangles by a step of the law on the whole grid, as a stroke of its own."""
        with self.cells.turn:
            self.change(stroke, [stepped(region, self.read(region, stroke, ahead=True)) for region in regions])

    def undo(self) -> bool:
        """Undoes the last stroke; returns whether there was one."""
        return self._swap(self.done, self.undone)

    def redo(self) -> bool:
        """Repeats the last undone stroke; returns whether there was one."""
        return self._swap(self.undone, self.done)

    def forget(self) -> None:
        """Drops all strokes."""
        self.done.clear()
        self.undone.clear()

    def _begin(self, stroke: Stroke) -> None:
        self._forget_another_run()
        if self.done:
            self.done[-1].touched = None  # it is complete
        present = stroke.plane.present
        stroke.target = replace(self.target, grid=(present.height, present.width), unit=self._unit(stroke.universe))
        stroke.touched = np.zeros(stroke.target.grid, np.bool_)
        stroke.step = self.cells.step

    def _unit(self, universe: int | None) -> float:
        """The largest present amplitude, so that painted cells are visible whatever the law normalises to."""
        if not self.target.complex:
            return 1.0
        largest = self.cells.amplitude(universe)
        return largest if math.isfinite(largest) and largest > 0 else 1.0

    def _remember(self, stroke: Stroke, block: Region, before: Array, after: Array) -> None:
        if stroke.touched is None:
            return  # dropped: too large
        touched = _part(stroke.touched, Region(0, 0, *stroke.touched.shape), block)
        fresh = (before != after).any((0, 1)) & ~touched
        touched |= fresh
        if fresh.any():
            if not stroke.patches:  # a stroke without changes is not kept
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
            with self.cells.turn:
                cells, where = self.read(block, stroke), np.zeros((block.height, block.width), np.bool_)
                for patch in (stroke.patches[k] for k in members):
                    part = _part(cells, block, patch.region)
                    now.append(replace(patch, values=part[..., patch.where]))
                    part[..., patch.where] = patch.values
                    _part(where, block, patch.region)[patch.where] = True
                self._write(block, cells, stroke, where)
        stroke.patches, stroke.touched = now, None
        given_to.append(stroke)
        return True

    def _forget_another_run(self) -> None:
        """Drops strokes painted before a restart."""
        if any(stroke.step > self.cells.step for stroke in (*self.done, *self.undone)):
            self.forget()

    def _keep_within_memory(self) -> None:
        while self.done and sum(stroke.bytes for stroke in self.done) > self.memory:
            self.too_large = len(self.done) == 1
            forgotten = self.done.pop(0)
            forgotten.patches, forgotten.touched = [], None

    def read(self, region: Region, stroke: Stroke, *, ahead: bool = False) -> Array:
        """A copy of the cells of a rectangle, `(B or 1, C, h, w)`; with `ahead` one step on."""
        return stroke.plane.flat(self.cells.read(stroke.plane.block(region), stroke.universe, ahead=ahead))

    def _write(self, region: Region, cells: Array, stroke: Stroke, where: NDArray[np.bool_] | None = None) -> None:
        block = stroke.plane.block(region)
        if not np.isfinite(cells).all():
            corner = ", ".join(map(str, block.corner))
            raise StateError(
                f"The cells near ({corner}) hold NaN or Inf; paint over all of them at full strength, or reset the run"
            )
        plane = stroke.plane
        self.cells.write(plane.deep(cells), block, stroke.universe, None if where is None else plane.deep(where))
        stroke.step = self.cells.step


def grouped(regions: Sequence[Region]) -> Iterator[tuple[Region, list[int]]]:
    """Groups consecutive regions into blocks that are not much larger; yields the block and the indices of its regions."""
    block: Region | None = None
    members: list[int] = []
    covered = 0
    for k, region in enumerate(regions):
        wider = region if block is None else block.around(region)
        covered += region.height * region.width
        if block is not None and wider.height * wider.width > 2 * covered + _ROOM:
            yield block, members
            wider, members, covered = region, [], region.height * region.width
        block = wider
        members.append(k)
    if block is not None:
        yield block, members


def _part(cells: Array, block: Region, region: Region) -> Array:
    """The part of `cells`, which lie at `block`, at `region`; a view."""
    top, left = region.top - block.top, region.left - block.left
    return cells[..., top : top + region.height, left : left + region.width]
