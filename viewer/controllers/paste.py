"""Pasting: cells in hand, placed with the mouse. No Qt."""

from collections.abc import Callable

from aetheria.laws.base import Law
from viewer.controllers.brushes import first_cell
from viewer.controllers.cell_changes import PASTE_MODES, PasteMode, pasted
from viewer.controllers.cell_editor import CellEditor
from viewer.controllers.clipping import Clipping
from viewer.controllers.component import ComponentHost
from viewer.controllers.tools import ToolController
from viewer.model.region import Region


class PasteController(CellEditor):
    """Holds cells to be pasted while the tool is "paste".

    Attributes:
        clipping: the cells in hand.
        mode: "or", "xor" or "copy"; see `cell_changes.pasted`.
        listeners: called when these changed.
    """

    def __init__(self, controller: ComponentHost, tools: ToolController) -> None:
        super().__init__(controller, tools)
        self.clipping: Clipping | None = None
        self.mode: PasteMode = "or"
        self.listeners: list[Callable[[], None]] = []
        self._tool_before = "pan"
        controller.model.listeners.append(self._model_changed)

    def take(self, read: Callable[[Law], Clipping]) -> None:
        """Takes cells in hand, to be pasted where the mouse is pressed.

        Args:
            read: makes the cells for a law, in the worker; may raise AetheriaError.
        """
        source = self.controller.source
        if self._usable() and source is not None:
            law = self._law
            source.submit(lambda: read(law), self.hold)

    def into_selection(self, read: Callable[[Law], Clipping]) -> None:
        """Pastes cells with their corner at that of the selection, or of the grid; arguments as for `take`."""
        source, region = self.controller.source, self.controller.model.selection or Region(0, 0, 1, 1)
        if self._usable() and source is not None:
            law, corner = self._law, (region.top, region.left)
            source.submit(lambda: read(law), lambda clipping: self._paste(clipping, corner))

    def at(self, corner: tuple[int, int]) -> None:
        """Pastes the cells in hand at a corner (top, left), and takes up the tool before."""
        if self.clipping is not None:
            self._paste(self.clipping, corner)
            self.cancel()

    def cancel(self) -> bool:
        """Puts the cells in hand away; returns whether there were any."""
        if self.clipping is None:
            return False
        self.controller.model.set(tool=self._tool_before)
        return True

    def next_mode(self) -> None:
        """Takes the next mode of pasting: or, xor, copy."""
        self.mode = PASTE_MODES[(PASTE_MODES.index(self.mode) + 1) % len(PASTE_MODES)]
        self._note(f"Paste mode: {self.mode}")
        self._notify()

    def corner_at(self, y: float, x: float) -> tuple[int, int]:
        """The corner (top, left) of the cells in hand with their middle at a place of the plane."""
        height, width = self.clipping.size if self.clipping is not None else (1, 1)
        plane = self.controller.plane
        top = 0 if plane is not None and plane.space_time else first_cell(y, height)
        return top, first_cell(x, width)

    def _paste(self, clipping: Clipping, corner: tuple[int, int]) -> None:
        target, law = self.tools.target, self._law
        if target is None or not self._fits(clipping):
            return
        if self.mode == "xor" and law.states is None:
            self._note(f"Paste mode xor needs whole states, which the cells of {law.name} are not; choose or, or copy")
            return
        self._change(pasted(clipping.values, corner, self.mode, target, self.rest, law.states or 0))

    def hold(self, clipping: Clipping) -> None:
        """Takes cells in hand."""
        if self._usable() and self._fits(clipping):
            model = self.controller.model
            self._tool_before = model.tool if model.tool != "paste" else self._tool_before
            self.clipping = clipping
            model.set(tool="paste")
            self._notify()

    def _fits(self, clipping: Clipping) -> bool:
        (height, width), grid = clipping.size, self._grid
        if height > grid[0] or width > grid[1]:
            self._note(f"The pattern has {height} x {width} cells and does not fit the grid of {grid[0]} x {grid[1]}")
        return height <= grid[0] and width <= grid[1]

    def closed(self) -> None:
        self.cancel()

    def _model_changed(self, changed: frozenset[str]) -> None:
        if "tool" in changed and self.controller.model.tool != "paste" and self.clipping is not None:
            self.clipping = None
            self._notify()

    def _notify(self) -> None:
        for listener in list(self.listeners):
            listener()
