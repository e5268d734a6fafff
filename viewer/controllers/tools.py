"""The tool in hand, and what pressing, dragging and releasing the mouse does with it. No Qt.

The window's thread only queues what is to be done; the source's worker does it, in order.
"""

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.brushes import BRUSHES, BrushName, Dab, PaintTarget, paint_target_of, why_brush_unusable
from viewer.controllers.component import Component, ComponentHost
from viewer.controllers.stamps import Stamp, read_stamp, stamps_for, turned
from viewer.controllers.strokes import MEMORY, Painter, Stroke
from viewer.model.messages import Message
from viewer.model.region import Region
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource

LARGEST = 512  # cells across a brush
_ONCE = ("stamp", "vortex")  # put down where the mouse is pressed, not smeared along its way

Command = tuple[Stroke, list[Dab]] | Literal["undo", "redo"]


class ToolController(Component):
    """Paints on a live source.

    Attributes:
        stamps: what can be stamped, the first one unless the model's brush names another.
        undoable, redoable: how many strokes can be taken back, and painted again.
        wet: dabs that the mouse made and the motor has not taken yet, the oldest first.
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
        self._at = (0.0, 0.0)  # where the mouse was
        self._since = 0.0  # cells of way since the last dab
        self._dabs = 0

    # -- the tool in hand ----------------------------------------------------------------------------------------

    def pan(self) -> None:
        """Puts the brush away: the mouse moves the view."""
        self.controller.model.set(tool="pan")

    def draw(self) -> None:
        """Takes the brush that makes live cells."""
        self.choose("draw")

    def erase(self) -> None:
        """Takes the eraser."""
        self.choose("erase")

    def random(self) -> None:
        """Takes the brush that makes random cells."""
        self.choose("random")

    def stamp(self) -> None:
        """Takes the stamp."""
        self.choose("stamp")

    def vortex(self) -> None:
        """Takes the brush that makes phase vortices."""
        self.choose("vortex")

    def wave(self) -> None:
        """Takes the brush that makes plane waves."""
        self.choose("wave")

    def choose(self, brush: BrushName) -> None:
        """Takes a brush in hand, if it makes sense here."""
        if reason := self.why_not(brush):
            self._note(f"The {brush} brush is of no use here: {reason}")
        else:
            self.controller.model.set(tool=brush)

    def why_not(self, brush: str) -> str:
        """Why a brush is of no use here, for people; empty when it is."""
        if self.target is None:
            return "only a live run can be painted on"
        return why_brush_unusable(brush, self.target)

    def larger(self) -> None:
        """A larger brush."""
        size = self.controller.model.brush.size
        self.controller.model.change_brush(size=min(LARGEST, size + max(1, size // 4)))

    def smaller(self) -> None:
        """A smaller brush."""
        size = self.controller.model.brush.size
        self.controller.model.change_brush(size=max(1, size - max(1, size // 5)))

    def turn(self) -> None:
        """Turns the pattern by a quarter."""
        self.controller.model.change_brush(turns=(self.controller.model.brush.turns + 1) % 4)

    def mirror(self) -> None:
        """Exchanges left and right of the pattern as it is turned now."""
        brush = self.controller.model.brush
        self.controller.model.change_brush(mirrored=not brush.mirrored, turns=-brush.turns % 4)

    @property
    def painting(self) -> bool:
        """Whether a stroke is being made, or waits to be taken by the motor."""
        return self._stroke is not None or bool(self.pending_dabs)

    @property
    def chosen_stamp(self) -> Stamp | None:
        """The pattern that is stamped."""
        name = self.controller.model.brush.pattern
        return next((stamp for stamp in self.stamps if stamp.name == name), self.stamps[0] if self.stamps else None)

    def read_stamp(self, path: str | Path) -> None:
        """Adds the pattern of an RLE file and takes it in hand."""
        source = self.controller.source
        if isinstance(source, LiveSource):
            law = source.motor.traits
            source.submit(lambda: read_stamp(Path(path), law), self._add_stamp)

    def footprint(self, y: float, x: float) -> tuple[Region, bool] | None:
        """The cells that the tool would touch here, and whether it is round; None without one."""
        tool = self.controller.model.tool
        dab = self._dab(tool, y, x) if tool in BRUSHES else None
        return None if dab is None else (Region(*dab.corner, *dab.size), tool != "stamp")

    # -- strokes -------------------------------------------------------------------------------------------------

    def press(self, y: float, x: float, *, erase: bool = False) -> None:
        """Begins a stroke with the tool in hand, or with the eraser."""
        model = self.controller.model
        brush = next((name for name in BRUSHES if name == model.tool), None)
        if self._painter is None or brush is None or model.view_settings is None:
            return
        self._stroke = Stroke("erase" if erase else brush, None if model.brush.everywhere else model.view_settings.universe)
        self._at, self._since = (y, x), 0.0
        self._add_dabs([(y, x)])

    def drag(self, y: float, x: float) -> None:
        """Goes on with the stroke; dabs are equally far apart, however fast the mouse is."""
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
        """Ends the stroke, where the mouse is."""
        self.drag(y, x)
        if self._stroke is not None and self._stroke.brush not in _ONCE and self._since > 0.1:
            self._add_dabs([(y, x)])
        self._stroke = None

    def undo(self) -> None:
        """Takes the last stroke back."""
        self._stroke = None
        self._queue_command("undo")

    def redo(self) -> None:
        """Paints the stroke again that was taken back last."""
        self._stroke = None
        self._queue_command("redo")

    def _add_dabs(self, places: list[tuple[float, float]]) -> None:
        assert self._stroke is not None
        made = (self._dab(self._stroke.brush, y, x, self._dabs + k) for k, (y, x) in enumerate(places))
        dabs = [dab for dab in made if dab is not None]
        if dabs:
            self._dabs += len(dabs)
            self.pending_dabs += dabs
            self._queue_command((self._stroke, dabs))

    def _dab(self, brush: str, y: float, x: float, seed: int = 0) -> Dab | None:
        settings = self.controller.model.brush
        name = next(known for known in BRUSHES if known == brush)
        stamp = self.chosen_stamp if name == "stamp" else None
        if name == "stamp" and stamp is None:
            return None
        return Dab(name, settings, y, x, seed, None if stamp is None else turned(stamp, settings))

    # -- in the worker -------------------------------------------------------------------------------------------

    def _queue_command(self, command: Command) -> None:
        source, painter = self.controller.source, self._painter
        if isinstance(source, LiveSource) and painter is not None:
            commands = self._commands
            commands.append(command)
            source.submit_with_motor(lambda motor: _run_commands(commands, painter, motor), self._commands_done, name="steer")

    def _commands_done(self, missing: str) -> None:
        """Back in the window's thread."""
        painter, source = self._painter, self.controller.source
        if painter is None or not isinstance(source, LiveSource):
            return
        source.invalidate_levels()
        self.undoable, self.redoable = len(painter.done), len(painter.undone)
        waiting = sum(len(command[1]) for command in list(self._commands) if isinstance(command, tuple))
        self.pending_dabs = self.pending_dabs[-waiting:] if waiting else []
        if missing:
            self._note(f"There is no stroke to {missing}")
        if painter.too_large:
            painter.too_large = False
            self._note(f"The stroke changed so many cells that it cannot be taken back (more than {MEMORY >> 20} MB)")
        self._notify()

    # -- what happens to the source ------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        if not isinstance(source, LiveSource):
            self._notify()
            return
        motor = source.motor
        self.target = paint_target_of(motor.traits, source.grid)
        self._painter = Painter(motor, self.target)
        apart = 64 if self.target.hard else 24
        self.controller.model.change_brush(size=max(1, min(source.grid) // apart), pattern="", turns=0, mirrored=False)
        source.submit(lambda: stamps_for(motor.traits), self._set_stamps)
        self._notify()

    def closed(self) -> None:
        self._forget()
        self.target, self._painter, self.stamps = None, None, ()
        self._commands = deque()  # another one: the worker may be at work on this
        self._notify()

    def restarted(self) -> None:
        source, painter = self.controller.source, self._painter
        self._forget()
        if isinstance(source, LiveSource) and painter is not None:
            source.submit(painter.forget)
        self._notify()

    def _forget(self) -> None:
        self._stroke, self.pending_dabs = None, []
        self.undoable = self.redoable = 0

    def _set_stamps(self, stamps: tuple[Stamp, ...]) -> None:
        self.stamps = (*stamps, *self.stamps)
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


def _run_commands(commands: deque[Command], painter: Painter, motor: Aetheria_Motor) -> str:
    """Does all that is waiting, in the worker; says "undo" or "redo" when there was nothing to take back or paint again."""
    missing = ""
    error: Exception | None = None
    while commands:
        command = commands.popleft()
        with motor.turn:  # once for all that follows: each turn may be a step long
            try:
                if isinstance(command, str):
                    missing = "" if (painter.undo() if command == "undo" else painter.redo()) else command
                else:
                    stroke, dabs = command
                    painter.paint(stroke, [*dabs, *_queued_dabs(commands, stroke)])
            except Exception as failure:  # noqa: BLE001 - told when the rest is done: later strokes may be elsewhere
                error = error or failure
            motor.refresh()
    if error is not None:
        raise error
    return missing


def _queued_dabs(commands: deque[Command], stroke: Stroke) -> list[Dab]:
    """Dabs of the same stroke that wait, too: what is painted at once costs one look at the cells."""
    dabs: list[Dab] = []
    while commands and isinstance(commands[0], tuple) and commands[0][0] is stroke:
        command = commands.popleft()
        assert isinstance(command, tuple)
        dabs += command[1]
    return dabs
