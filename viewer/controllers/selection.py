"""The selection: a rectangle of cells that is copied, cleared, filled and turned. No Qt."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from aetheria.laws.base import Law
from viewer.controllers.cell_changes import cleared, filled, flipped, turned
from viewer.controllers.cell_editor import CellEditor
from viewer.controllers.clipping import Clipping
from viewer.controllers.component import ComponentHost
from viewer.controllers.paste import PasteController
from viewer.controllers.strokes import Painter, Stroke
from viewer.model.region import Region
from viewer.sources.source import FrameSource

_ACROSS, _DOWN = -1, -2  # axes of flips


class SelectionController(CellEditor):
    """Selects cells, and edits the selected ones; every edit is undone as a stroke.

    The selected region is `model.selection`, in the rows and columns of the plane's present cells.

    Attributes:
        paste: the cells in hand, which turns and flips concern first.
    """

    def __init__(self, controller: ComponentHost, paste: PasteController) -> None:
        super().__init__(controller, paste.tools)
        self.paste = paste
        self._pressed: tuple[float, float] | None = None
        self._fills = 0
        self._ready: deque[Callable[[], object]] = deque()  # filled by the worker
        controller.model.listeners.append(self._model_changed)

    # -- selecting -----------------------------------------------------------------------------------------------

    def select(self) -> None:
        """Selects the selection tool."""
        if self._usable():
            self.controller.model.set(tool="select")

    def all(self) -> None:
        """Selects all cells."""
        if self._usable():
            self.choose(Region(0, 0, *self._grid))

    def remove(self) -> None:
        """Selects nothing."""
        self.controller.model.set(selection=None)

    def choose(self, region: Region) -> None:
        """Selects the part of a region that is on the grid; nothing where it misses the grid."""
        if self._usable():
            self.controller.model.set(selection=region.shared(Region(0, 0, *self._grid)))

    def press(self, y: float, x: float) -> None:
        """The mouse is pressed: begins a selection, or pastes."""
        if self.controller.model.tool == "select":
            self._pressed = y, x
        elif self.controller.model.tool == "paste":
            self.paste.at(self.paste.corner_at(y, x))

    def drag(self, y: float, x: float) -> None:
        """Selects the cells from the place that was pressed to this one."""
        if self._pressed is not None and self.controller.model.tool == "select":
            self.choose(self._between(self._pressed, (y, x)))

    def release(self, y: float, x: float) -> None:
        """Ends a selection; a click without a drag selects nothing."""
        pressed, self._pressed = self._pressed, None
        if pressed is None or self.controller.model.tool != "select":
            return
        if tuple(map(math.floor, pressed)) == (math.floor(y), math.floor(x)):
            self.remove()
        elif region := self.controller.model.selection:
            self._note(f"Selected: {region.height} x {region.width} cells (height x width) at ({region.top}, {region.left})")
        elif not self.tools.why_not("select"):
            self._note("Nothing is selected: the rectangle lies outside the grid")

    def fit(self) -> None:
        """Shows the selected cells, as large as they fit."""
        region, plane = self.controller.model.selection, self.controller.plane
        if region is None or plane is None:
            self._note("Nothing is selected: drag with the selection tool (L), or select all (Ctrl+A)")
            return
        corner = plane.present
        self.controller.view.show_region(replace(region, top=region.top + corner.top, left=region.left + corner.left))

    # -- edits ---------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Sets the selected cells to rest."""
        if region := self._selected():
            self._change([cleared(region, self.rest)])

    def clear_outside(self) -> None:
        """Sets all other cells to rest."""
        if region := self._selected():
            self._change([cleared(side, self.rest) for side in region.outside(self._grid)])

    def fill(self) -> None:
        """Fills the selection with random cells, as dense as the brush settings say."""
        if region := self._selected():
            self._fills += 1
            self._change([filled(region, self.controller.model.brush.density, self._fills, self.rest)])

    def advance(self) -> None:
        """Advances the selected cells by a step of the law; all others, and the step number, stay."""
        if region := self._selected():
            self._advance([region])

    def advance_outside(self) -> None:
        """Advances all other cells by a step of the law."""
        if region := self._selected():
            self._advance(region.outside(self._grid))

    def _advance(self, regions: list[Region]) -> None:
        stroke = self._stroke()
        self.tools.queue_command(lambda painter: painter.advance(stroke, regions))

    def turn_right(self) -> None:
        """Turns the cells to be pasted, or else the selected ones, by 90 degrees clockwise."""
        self._turn(1)

    def turn_left(self) -> None:
        """Turns them by 90 degrees counter-clockwise."""
        self._turn(-1)

    def flip_across(self) -> None:
        """Mirrors the cells to be pasted, or else the selected ones, left to right."""
        self._flip(_ACROSS)

    def flip_down(self) -> None:
        """Mirrors them top to bottom."""
        self._flip(_DOWN)

    def _turn(self, quarters: int) -> None:
        if self.paste.clipping is not None:
            self.paste.hold(self.paste.clipping.turned(quarters))
        elif region := self._selected():

            def turn(region: Region = region) -> None:
                change, new = turned(region, quarters, self._grid, self.rest)
                self._change([change])
                self.controller.model.set(selection=new)

            self.controller.attempt(turn)

    def _flip(self, axis: int) -> None:
        if self.paste.clipping is not None:
            self.paste.hold(self.paste.clipping.flipped(axis))
        elif region := self._selected():
            self._change([flipped(region, axis)])

    # -- copying -------------------------------------------------------------------------------------------------

    def copy(self, then: Callable[[Clipping, Law], object], *, cut: bool = False) -> None:
        """Reads the selected cells of the displayed universe; with `cut`, sets them to rest.

        Args:
            then: called with the cells, and their law, at a tick.
        """
        region = self._selected()
        settings, plane = self.controller.model.view_settings, self.controller.plane
        if region is None or settings is None or plane is None:
            return
        law, rest, stroke = self._law, self.rest, Stroke("edit", settings.universe, plane)
        change = self._stroke()

        def read(painter: Painter) -> None:
            with painter.cells.turn:
                cells, step = painter.read(region, stroke)[0], painter.cells.step_read
                if cut:
                    painter.change(change, [cleared(region, rest)])
            self._ready.append(lambda: then(Clipping(cells, step), law))

        self.tools.queue_command(read)

    def _selected(self) -> Region | None:
        region = self.controller.model.selection
        if self._usable() and region is None:
            self._note("Nothing is selected: drag with the selection tool (L), or select all (Ctrl+A)")
        return region if not self.tools.why_not("select") else None

    def _between(self, one: tuple[float, float], other: tuple[float, float]) -> Region:
        (y0, y1), (x0, x1) = (sorted((math.floor(a), math.floor(b))) for a, b in zip(one, other, strict=True))
        plane = self.controller.plane
        if plane is not None and plane.space_time:
            y0 = y1 = 0
        return Region(y0, x0, y1 - y0 + 1, x1 - x0 + 1)

    # -- component -----------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        self.remove()

    def closed(self) -> None:
        self._ready.clear()
        self.remove()

    def tick(self) -> None:
        while self._ready:
            self._ready.popleft()()

    def _model_changed(self, changed: frozenset[str]) -> None:
        model = self.controller.model
        if "view_settings" in changed and model.selection is not None:
            model.set(selection=model.selection.shared(Region(0, 0, *self._grid)))
