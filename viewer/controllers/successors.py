"""Runs that go on from the open one's cells: on a grid of another size, or under another rule. No Qt."""

from collections.abc import Callable, Sequence
from typing import Any

from aetheria.core.device import AXES, times
from aetheria.core.errors import AetheriaError, StateError
from aetheria.laws.rules import Rule, law_from_rule, read_rule
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.successor import resized, under_law
from aetheria.runs.config import RunConfig
from viewer.controllers.boundaries import with_law_of
from viewer.controllers.component import Component, ComponentHost
from viewer.controllers.save import present_config
from viewer.model.messages import Message
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource


class SuccessorController(Component):
    """Replaces the motor of the open run by one that goes on from its cells."""

    def __init__(self, controller: ComponentHost, open_source: Callable[[FrameSource], None]) -> None:
        super().__init__(controller)
        self._open = open_source

    def resize(self, grid: Sequence[int], at: Sequence[int] | None = None) -> None:
        """Goes on with a grid of another size, the cells in their place.

        Args:
            grid: sides in cells.
            at: place of the old first cell on the new grid; None for the old grid in the middle.
        """
        before = times(self._grid())
        note = f"The grid is {times(tuple(grid))} cells now, instead of {before}; resize it again to undo this"
        self._replace(lambda motor, _: resized(motor, grid, at), lambda config: _with_grid(config, grid), note)

    def change_rule(self, text: str, failed: Callable[[AetheriaError], object]) -> None:
        """Goes on under the rule of a text, which another law runs.

        Args:
            failed: called with the reason when that is not possible.
        """
        source = self.controller.source
        if not isinstance(source, LiveSource):
            return
        try:
            rule = read_rule(text)
            law = law_from_rule(rule.text, boundary=source.motor.traits.boundary)
        except AetheriaError as error:
            failed(error)
            return
        note = f"{law.name} runs the rule {rule.text} now; strokes painted before cannot be undone"
        self._replace(lambda motor, _: under_law(motor, law), lambda config: _with_rule(config, rule), note, failed)

    def change_boundary(self, text: str, failed: Callable[[AetheriaError], object]) -> None:
        """Goes on with the same law, and other cells beyond the edges.

        Args:
            text: as a config has it: "periodic", "zero", "klein-x" ...
            failed: called with the reason when that is not possible.
        """

        def make(motor: Aetheria_Motor, config: RunConfig | None) -> Aetheria_Motor:
            if config is None:
                raise StateError("This run has no config, by which its law could be built again")
            return with_law_of(config, motor)

        note = f"The boundary is {text} now; strokes painted before cannot be undone"
        self._replace(make, lambda config: _with_boundary(config, text), note, failed)

    def _grid(self) -> tuple[int, ...]:
        source = self.controller.source
        return source.motor.shape[2:] if isinstance(source, LiveSource) else ()

    def _replace(
        self,
        make: Callable[[Aetheria_Motor, RunConfig | None], Aetheria_Motor],
        change: Callable[[RunConfig], RunConfig],
        note: str,
        failed: Callable[[AetheriaError], object] | None = None,
    ) -> None:
        source = self.controller.source
        failed = failed or self.controller.failed
        if not isinstance(source, LiveSource):
            return
        if source.borrowed:
            failed(StateError("This run belongs to a program: its grid and law are changed there"))
            return
        playing = source.status().playing

        def made(motor: Aetheria_Motor) -> LiveSource | AetheriaError:
            try:
                config = None if source.config is None else change(present_config(source.config, motor))
                return LiveSource(make(motor, config), title=source.title, config=config)
            except AetheriaError as error:
                return error

        def ready(answer: LiveSource | AetheriaError) -> None:
            if self.controller.source is not source:  # closed in the meantime
                if isinstance(answer, LiveSource):
                    answer.close()
            elif isinstance(answer, LiveSource):
                self._show(answer, playing, note)
            else:
                source.play(playing)
                failed(answer)

        source.submit_paused(made, ready)

    def _show(self, source: LiveSource, playing: bool, note: str) -> None:
        model, before = self.controller.model, self.controller.source
        kept: dict[str, Any] = {"stride": model.stride, "tool": model.tool}
        brush, region = model.brush, model.region
        same_view = before is not None and (before.plane.shape, before.fields) == (source.plane.shape, source.fields)
        if same_view:
            kept["view_settings"] = model.view_settings
        self._open(source)
        model.set(**kept)
        if same_view and region is not None:
            self.controller.view.show_region(region)
        model.change_brush(size=brush.size, strength=brush.strength, state=brush.state, everywhere=brush.everywhere)
        source.play(playing)
        self.controller.view.show_message(Message("note", note))


def _with_grid(config: RunConfig, grid: Sequence[int]) -> RunConfig:
    values = config.model_dump(exclude_none=True)
    values["grid"] = dict(zip(AXES[-len(grid) :], grid, strict=True))
    return RunConfig.checked(values, "")


def _with_rule(config: RunConfig, rule: Rule) -> RunConfig:
    values = config.model_dump(exclude_none=True)
    boundary = values["law"].get("boundary")
    values["law"] = {"name": rule.law, **rule.settings, **({"boundary": boundary} if boundary else {})}
    return RunConfig.checked(values, "")


def _with_boundary(config: RunConfig, boundary: str) -> RunConfig:
    values = config.model_dump(exclude_none=True)
    values["law"]["boundary"] = boundary
    return RunConfig.checked(values, "")
