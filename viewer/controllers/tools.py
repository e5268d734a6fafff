"""Painting with the mouse: the current tool, and strokes. No Qt.

The window's thread only queues commands; the source's worker carries them out in order.
"""

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path

from viewer.controllers.brushes import BRUSHES, BrushName, Dab, PaintTarget, paint_target_of, why_brush_unusable
from viewer.controllers.component import Component, ComponentHost
from viewer.controllers.stamps import Stamp, read_stamp, stamps_for, turned
from viewer.controllers.stroke_commands import Command, run_commands
from viewer.controllers.strokes import MEMORY, Painter, Stroke
from viewer.model.messages import Message
from viewer.model.region import Region
from viewer.sources.cell_access import EditableSource
from viewer.sources.source import FrameSource

LARGEST = 512  # largest diameter of a brush in cells
_ONCE = ("stamp", "vortex")  # painted once per stroke, where the mouse is pressed


class ToolController(Component):
    """Paints on the cells of a run.

    Attributes:
        stamps: the stamps to choose from; the first one is used unless the model's brush names another.
        undoable, redoable: number of strokes that can be undone, and repeated.
        pending_dabs: dabs that the motor has not taken yet, the oldest first.
        listeners: called when any of these changed.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.stamps: tuple[Stamp, ...] = ()
        self.undoable = self.redoable = 0
        self.pending_dabs: list[Dab] = []
        self.listeners: list[Callable[[], None]] = []
        self.target: PaintTarget | None = None
        self._painter: Painter | None = None
        self._commands: deque[Command] = deque()
        self._stroke: Stroke | None = None
        self._at = (0.0, 0.0)  # last position of the mouse
        self._since = 0.0  # distance in cells since the last dab
        self._dabs = 0
        controller.model.listeners.append(self._model_changed)

    # -- tool ----------------------------------------------------------------------------------------------------

    def pan(self) -> None:
        """Selects no brush: the mouse moves the view."""
        self.controller.model.set(tool="pan")

    def draw(self) -> None:
        """Selects the brush for live cells."""
        self.choose("draw")

    def draw_state(self, state: int) -> None:
        """Selects the brush for cells of one whole state."""
        self.controller.model.change_brush(state=state)
        self.draw()

    def erase(self) -> None:
        """Selects the eraser."""
        self.choose("erase")

    def random(self) -> None:
        """Selects the brush for random cells."""
        self.choose("random")

    def stamp(self) -> None:
        """Selects the stamp."""
        self.choose("stamp")

    def vortex(self) -> None:
        """Selects the brush for phase vortices."""
        self.choose("vortex")

    def wave(self) -> None:
        """Selects the brush for plane waves."""
        self.choose("wave")

    def choose(self, brush: BrushName) -> None:
        """Selects a brush, if it is available."""
        if reason := self.why_not(brush):
            self._note(f"The {brush} brush is not available: {reason}")
        else:
            self.controller.model.set(tool=brush)

    def why_not(self, brush: str) -> str:
        """The reason why a brush is unavailable; empty when it is available."""
        plane, source = self.controller.plane, self._editable
        if source is not None and source.not_edited:
            return source.not_edited
        if self.target is None or plane is None:
            return "only live runs can be painted"
        if not plane.paintable:
            return "a mean or maximum cannot be painted; show a slice at an index"
        return why_brush_unusable(brush, self.target)

    def larger(self) -> None:
        """Enlarges the brush."""
        size = self.controller.model.brush.size
        self.controller.model.change_brush(size=min(LARGEST, size + max(1, size // 4)))

    def smaller(self) -> None:
        """Shrinks the brush."""
        size = self.controller.model.brush.size
        self.controller.model.change_brush(size=max(1, size - max(1, size // 5)))

    def turn(self) -> None:
        """Turns the pattern by 90 degrees."""
        self.controller.model.change_brush(turns=(self.controller.model.brush.turns + 1) % 4)

    def mirror(self) -> None:
        """Mirrors the turned pattern left to right."""
        brush = self.controller.model.brush
        self.controller.model.change_brush(mirrored=not brush.mirrored, turns=-brush.turns % 4)

    @property
    def painting(self) -> bool:
        """Whether a stroke is in progress, or waits for the motor."""
        return self._stroke is not None or bool(self.pending_dabs)

    @property
    def chosen_stamp(self) -> Stamp | None:
        """The current stamp."""
        name = self.controller.model.brush.pattern
        return next((stamp for stamp in self.stamps if stamp.name == name), self.stamps[0] if self.stamps else None)

    def read_stamp(self, path: str | Path) -> None:
        """Adds the pattern of a file and selects it."""
        source, editable = self.controller.source, self._editable
        if source is not None and editable is not None and not editable.not_edited:
            law = editable.law
            source.submit(lambda: read_stamp(Path(path), law), self._add_stamp)

    def footprint(self, y: float, x: float) -> tuple[Region, bool] | None:
        """The cells that the tool would touch here, and whether their outline is round; None without a brush."""
        tool = self.controller.model.tool
        dab = self._dab(tool, y, x) if tool in BRUSHES else None
        return None if dab is None else self.outline(dab)

    def outline(self, dab: Dab) -> tuple[Region, bool]:
        """The cells of the plane that a dab covers, and whether their outline is round."""
        plane = self.controller.plane
        if plane is not None and plane.space_time:
            return Region(plane.present.top, dab.corner[1], 1, dab.size[1]), False
        return Region(*dab.corner, *dab.size), dab.brush != "stamp"

    # -- strokes -------------------------------------------------------------------------------------------------

    def press(self, y: float, x: float, *, erase: bool = False) -> None:
        """Begins a stroke with the current brush, or with the eraser."""
        model = self.controller.model
        brush = next((name for name in BRUSHES if name == model.tool), None)
        plane = self.controller.plane
        if self._painter is None or brush is None or model.view_settings is None or plane is None:
            return
        if reason := self.why_not(brush):
            self._note(f"The {brush} brush is not available: {reason}")
            return
        universe = None if model.brush.everywhere else model.view_settings.universe
        self._stroke = Stroke("erase" if erase else brush, universe, plane)
        self._at, self._since = (y, x), 0.0
        self._add_dabs([(y, x)])

    def drag(self, y: float, x: float) -> None:
        """Continues the stroke; dabs are evenly spaced, at any speed of the mouse."""
        if self._stroke is None or self._stroke.brush in _ONCE:
            return
        (y0, x0), self._at = self._at, (y, x)
        way = math.hypot(y - y0, x - x0)
        apart = max(0.5, self.controller.model.brush.size / 4)
        places = []
        along = apart - self._since
        while along <= way:
            places.append((y0 + (y - y0) * along / way, x0 + (x - x0) * along / way))
            along += apart
        self._since = way - (along - apart)
        self._add_dabs(places)

    def release(self, y: float, x: float) -> None:
        """Ends the stroke at the position of the mouse."""
        self.drag(y, x)
        if self._stroke is not None and self._stroke.brush not in _ONCE and self._since > 0.1:
            self._add_dabs([(y, x)])
        self._stroke = None

    def undo(self) -> None:
        """Undoes the last stroke."""
        self._stroke = None
        self.queue_command("undo")

    def redo(self) -> None:
        """Repeats the last undone stroke."""
        self._stroke = None
        self.queue_command("redo")

    def _add_dabs(self, places: list[tuple[float, float]]) -> None:
        assert self._stroke is not None
        made = (self._dab(self._stroke.brush, y, x, self._dabs + k) for k, (y, x) in enumerate(places))
        dabs = [dab for dab in made if dab is not None]
        if dabs:
            self._dabs += len(dabs)
            self.pending_dabs += dabs
            self.queue_command((self._stroke, dabs))

    def _dab(self, brush: str, y: float, x: float, seed: int = 0) -> Dab | None:
        settings = self.controller.model.brush
        name = next(known for known in BRUSHES if known == brush)
        stamp = self.chosen_stamp if name == "stamp" else None
        if name == "stamp" and stamp is None:
            return None
        if self.target is not None and self.target.grid[0] == 1:
            y = 0.5  # a row: the mouse may be on any of its past states
        return Dab(name, settings, y, x, seed, None if stamp is None else turned(stamp, settings))

    # -- commands ------------------------------------------------------------------------------------------------

    def queue_command(self, command: Command) -> None:
        """Has the worker carry out a command after those before it."""
        source, editable, painter = self.controller.source, self._editable, self._painter
        if source is not None and editable is not None and painter is not None:
            commands, refresh = self._commands, editable.refresh
            commands.append(command)
            source.submit(lambda: run_commands(commands, painter, refresh), self._commands_done, name="paint")

    def _commands_done(self, missing: str) -> None:
        """Called in the window's thread with the result of `run_commands`."""
        painter, source = self._painter, self._editable
        if painter is None or source is None:
            return
        source.invalidate_levels()
        self.undoable, self.redoable = len(painter.done), len(painter.undone)
        waiting = sum(len(command[1]) for command in list(self._commands) if isinstance(command, tuple))
        self.pending_dabs = self.pending_dabs[-waiting:] if waiting else []
        if missing:
            self._note(f"There is no stroke to {missing}")
        if painter.too_large:
            painter.too_large = False
            self._note(f"The stroke is too large to be undone (more than {MEMORY >> 20} MB of cells)")
        self._notify()

    # -- component -----------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        editable = self._editable
        if editable is None or editable.not_edited:
            self._notify()
            return
        law, present = editable.law, source.plane.present
        self.target = paint_target_of(law, (present.height, present.width))
        self._painter = Painter(editable.cells, self.target)
        size = min(source.plane.shape) // (64 if self.target.hard else 24)
        self.controller.model.change_brush(size=max(1, size), pattern="", turns=0, mirrored=False, state=1)
        source.submit(lambda: stamps_for(law), self._set_stamps)
        self._notify()

    def closed(self) -> None:
        self._forget()
        self.target, self._painter, self.stamps = None, None, ()
        self._commands = deque()  # a new one: the worker may still use the old one
        self._notify()

    def restarted(self) -> None:
        source, painter = self.controller.source, self._painter
        self._forget()
        if source is not None and painter is not None:
            source.submit(painter.forget)
        self._notify()

    @property
    def _editable(self) -> EditableSource | None:
        """The open source, where it has cells to change."""
        source: object = self.controller.source
        return source if isinstance(source, EditableSource) else None

    def _model_changed(self, changed: frozenset[str]) -> None:
        if "view_settings" in changed:
            if self._stroke is not None and self._stroke.plane != self.controller.plane:
                self._stroke = None
            self._notify()  # brushes need a slice at an index

    def _forget(self) -> None:
        self._stroke, self.pending_dabs = None, []
        self.undoable = self.redoable = 0

    def _set_stamps(self, stamps: tuple[Stamp, ...]) -> None:
        highest = self.target.grid[0] if self.target is not None else 0
        self.stamps = (*(stamp for stamp in stamps if stamp.values.shape[0] <= highest), *self.stamps)
        self._notify()

    def _add_stamp(self, stamp: Stamp) -> None:
        self.stamps = (*(known for known in self.stamps if known.name != stamp.name), stamp)
        self.controller.model.change_brush(pattern=stamp.name, turns=0, mirrored=False)
        self._notify()
        self.stamp()

    def _note(self, text: str) -> None:
        self.controller.view.show_message(Message("note", text))

    def _notify(self) -> None:
        for listener in list(self.listeners):
            listener()
