"""A motor as a source of pictures: frames are the feed's own, reduced and quantised on the device."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aetheria.core.block import Block
from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.export.pictures import find_levels
from aetheria.laws.base import Law
from aetheria.laws.controls import Control, Value
from aetheria.motor.edit_text import edit_lines
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.downsample import interleaved
from aetheria.observe.first_field import first_field, with_first
from aetheria.observe.frame import Frame
from aetheria.observe.law_fields import known_fields
from aetheria.observe.request import AXIS_NAMES, Request
from aetheria.runs.steering import MOST_STEPS, Steering
from aetheria.serve.budget import Budget
from aetheria.serve.cells import cells_message
from aetheria.serve.editing import CellEditor
from aetheria.serve.protocol import MAX_FRAME_BYTES, Picture, View, text
from aetheria.serve.source import CellInfo, ControlInfo, FieldInfo, SourceInfo

_PERIOD_S = 0.04  # between two pictures of a view, at the least
_SHARE = 0.02  # of the run's time that all readers together may take
_LEVELS_S = 1.0  # seconds between two searches for the levels of a field without a fixed range
_SAMPLE_SIDE = 64  # values along an axis from which levels are found
STEERED = ("pause", "step", "speed", "restart")
EDITED = ("read", "amplitude", "cells", "undo", "redo", "control", "edits")


class LiveSource:
    """A motor that another thread steps.

    Attributes:
        budget: what its readers may cost.
    """

    def __init__(self, motor: Aetheria_Motor, steering: Steering | None = None, title: str = "") -> None:
        """
        Args:
            motor: to show.
            steering: that of the thread which steps it; None: readers only look.
            title: of the run; the law's name when empty.
        """
        self.budget = Budget(_SHARE)
        self._motor, self._steering = motor, steering
        law, grid = motor.traits, motor.shape[2:]
        fields, observables = _choices(law, len(grid))
        self._info = SourceInfo(
            title or law.name,
            law.name,
            grid,
            motor.shape[0],
            fields,
            observables,
            "run",
            (*(STEERED if steering is not None else ()), *EDITED),
            _controls(law),
            law.channels,
            law.states,
            law.d_state,
            _cell_info(law),
        )
        self._editor = CellEditor(motor)
        self._first = {control.name: motor.get_control(control.name) for control in law.controls}
        self._values: tuple[int, Mapping[str, Any]] | None = None  # of the controls, at a number of changes
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """The run, in words."""
        return self._info

    def pictures(self, view: View, closed: Callable[[], bool], budget: Budget) -> Iterator[Picture | None]:
        """The newest pictures of a view; see `Source`."""
        self._info.check(view)
        levels = _Levels(self._motor, self._request(view))
        shown: tuple[int, int] | None = None  # step and changes of the last picture
        cost = 0.0  # of the last one, in seconds
        while not (closed() or self._closed):
            began, now = time.monotonic(), (self._motor.step_count, self._motor.changes)
            if now != shown and (self.waits or budget.take(cost)):
                frame, cost = self._look(levels, cost, budget)
                shown = frame.step, now[1]
                yield _picture(frame, view)
            else:
                yield None
            time.sleep(max(0.0, began + _PERIOD_S - time.monotonic()))

    def status(self) -> Mapping[str, Any]:
        """Step, number of edits, and whether the run is paused and at which speed."""
        steering = self._steering
        paused, speed = (False, None) if steering is None else (steering.paused, steering.speed)
        how = {"paused": paused, "speed": speed, "edits": self._motor.changes}
        return {"step": self._motor.step_count, **how, "controls": self._values_of_controls()}

    def obey(self, command: str, values: Mapping[str, Any]) -> bytes | str | None:
        """Does one of `info.commands`; see `Source`."""
        match command:
            case "read":
                return cells_message(self._editor.read(values), MAX_FRAME_BYTES)
            case "amplitude":
                amplitude = self._editor.amplitude(values.get("universe"))
                return text("amplitude", value=amplitude if math.isfinite(amplitude) else None)
            case "cells":
                self._editor.set(values["block"])
                return text("done", command="cells")
            case "undo":
                self._editor.undo()
            case "redo":
                self._editor.redo()
            case "edits":
                return text("edits", lines=edit_lines(self._motor.edits))
            case "restart":
                self._restart(values.get("step", self._motor.first_step))
                return text("done", command="restart")
            case "control":
                self._set_control(values.get("name"), values.get("value"))
            case _:
                self._steer(command, values)
        return None

    def _values_of_controls(self) -> Mapping[str, Any]:
        """The parameters' values; read again only after a change, since on a GPU to read one is to wait for it."""
        changes = self._motor.changes
        if self._values is None or self._values[0] != changes:
            names = (control.name for control in self._info.controls)
            self._values = changes, {name: self._motor.get_control(name) for name in names}
        return self._values[1]

    def _set_control(self, name: object, value: object) -> None:
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ConfigError(f"control {name!r}: {value!r} given; expected a name, and a number or a text")
        self._motor.set_control(name, value)

    def _restart(self, step: object) -> None:
        """Back to the first step and the first values of the parameters, paused; then on to `step`."""
        steering, motor = self._steering, self._motor
        assert steering is not None
        if type(step) is not int or not 0 <= step - motor.first_step <= MOST_STEPS:
            raise ConfigError(f"restart step: {step!r} given; expected up to {MOST_STEPS:,} steps from {motor.first_step}")
        paused = steering.paused
        steering.halt()
        with motor.turn:
            present = {name: motor.get_control(name) for name in self._first}
            try:
                self._set_controls(self._first)  # before the restart: initial cells may depend on them
                motor.restart()
            except AetheriaError:
                self._set_controls(present)
                steering.pause(paused)
                raise
        self._editor.forget()
        if step > motor.first_step:
            steering.step_once(step - motor.first_step)

    def _set_controls(self, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            if self._motor.get_control(name) != value:
                self._motor.set_control(name, value)

    def _steer(self, command: str, values: Mapping[str, Any]) -> None:
        steering = self._steering
        assert steering is not None
        match command:
            case "pause":
                steering.pause(values.get("paused") is not False)
            case "step":
                steering.step_once(values.get("steps", 1))
            case "speed":
                steering.limit(values.get("speed"))

    def close(self) -> None:
        """Lets go of the motor; pictures end."""
        self._closed = True
        if self._steering is not None:  # or a paused run would wait for readers who cannot come back
            self._steering.limit(None)
            self._steering.pause(False)

    @property
    def waits(self) -> bool:
        """Whether the run waits for a reader, so that a picture costs it nothing."""
        return self._steering is not None and self._steering.waits

    def _look(self, levels: "_Levels", taken: float, budget: Budget) -> tuple[Frame, float]:
        """A frame of the present cells, and the seconds that it kept the run; `taken` ones are spent already."""
        # On a CPU the time of this thread, or a machine that is busy with other things would make pictures look dear.
        clock = time.thread_time if self._motor.device.type == "cpu" else time.perf_counter
        with self._motor.turn:  # the wait for it is not the picture's cost
            began = clock()
            frame = self._motor.look(levels.request())
            seconds = clock() - began
        budget.spend(seconds - taken)
        return frame, seconds

    def _request(self, view: View) -> Request:
        grid = self._motor.shape[2:]
        cuts: dict[str, Any] = {}
        if len(grid) == 3:
            cuts = {view.axis: grid[AXIS_NAMES.index(view.axis)] // 2 if view.cut is None else view.cut}
        names = [self._info.field(view.field).name, *view.observables]
        block = None if view.region is None else Block(view.region[:2], view.region[2:])
        request = self._motor.request(names, universe=view.universe, slice=cuts, region=block, finite=True)
        shown = request.shown_size(grid)
        share = min(1.0, view.size / max(shown))
        return replace(request, size=tuple(max(1, round(side * share)) for side in shown))


class _Levels:
    """A request with the levels of its field: the field's range, or found in the cells about once a second."""

    def __init__(self, motor: Aetheria_Motor, request: Request) -> None:
        self._motor, self._request = motor, request
        self._due = 0.0

    def request(self) -> Request:
        """The request as it is to be made now."""
        field = self._request.fields[0]
        if time.monotonic() >= self._due:
            low, high = field.range
            if low is None or high is None:
                low, high = self._found()
                self._due = time.monotonic() + _LEVELS_S
            else:
                self._due = float("inf")
            self._request = replace(self._request, dtype="uint8", levels={field.name: (low, high)})
        return self._request

    def _found(self) -> tuple[float, float]:
        field, size = self._request.fields[0], self._request.size
        assert size is not None
        few = tuple(min(side, _SAMPLE_SIDE) for side in size)
        sample = replace(self._request, fields=(field,), size=few, dtype="float32", levels={}, reduction="nearest")
        values = np.nan_to_num(self._motor.look(sample)[field.name].astype(np.float64))
        return find_levels([values], *field.range)


def _picture(frame: Frame, view: View) -> Picture:
    request = frame.request
    assert request is not None
    field, *observables = request.fields
    planes = frame[field.name][0]
    if planes.ndim == 1 + (field.name == "rgb"):  # a single axis: a picture of one row
        planes = planes[..., None, :]
    pixels = interleaved(planes)
    values = {one.name: float(frame[one.name][0]) for one in observables}
    height, width = pixels.shape[:2]
    channels = 3 if pixels.ndim == 3 else 1
    levels, finite = request.levels[field.name], bool(frame["finite"][0])
    return Picture(frame.step, field.name, height, width, channels, levels, values, pixels.tobytes(), None, view, finite)


def _controls(law: Law) -> tuple[ControlInfo, ...]:
    return tuple(
        ControlInfo(control.name, control.meaning, control.low, control.high)
        if isinstance(control, Control)
        else ControlInfo(control.name, control.meaning)
        for control in law.controls
    )


def _cell_info(law: Law) -> CellInfo:
    live, rest = (tuple(cell.double().cpu().tolist()) for cell in (law.seed_cell(), law.rest_cell()))
    palette = None if law.palette is None else tuple((int(red), int(green), int(blue)) for red, green, blue in law.palette)
    return CellInfo(law.boundary, law.value_range, live, rest, law.rule_string, palette)


def _choices(law: Law, rank: int) -> tuple[tuple[FieldInfo, ...], tuple[str, ...]]:
    """The fields of a law that have pictures, the one to show first in front, and its observables: one for each component."""
    pictures: list[FieldInfo] = []
    observables: list[str] = []
    known = known_fields(law)
    for stem in law.fields:
        field = known[stem]
        if field.least_rank > rank:
            continue
        count = field.components or {"": 0, "d": law.d_state or 0, "c": law.channels}.get(field.counted, 1)
        names = [f"{stem}_{k}" for k in range(count)] if field.counted else [stem]
        if field.scalar:
            observables += names
        else:
            pictures += [
                FieldInfo(name, field.meaning, field.unit, field.colour_map, *field.range, field.cyclic) for name in names
            ]
    first = first_field([field.name for field in pictures], law.default_field, law.states)
    return with_first(pictures, first), tuple(observables)
