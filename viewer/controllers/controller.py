"""The controller: connects model, source and window. No Qt."""

import time
from collections.abc import Callable
from dataclasses import replace

from aetheria.core.errors import AetheriaError
from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.component import Component, ViewInterface
from viewer.controllers.divergence import DivergenceGuard
from viewer.controllers.film import FilmController
from viewer.controllers.follow import FollowController
from viewer.controllers.history import History
from viewer.controllers.inspect import InspectController
from viewer.controllers.parameters import ParameterController
from viewer.controllers.paste import PasteController
from viewer.controllers.player import Player
from viewer.controllers.record import RecordController
from viewer.controllers.save import SaveController
from viewer.controllers.selection import SelectionController
from viewer.controllers.series import SeriesController
from viewer.controllers.shared_speed import SharedSpeedController
from viewer.controllers.successors import SuccessorController
from viewer.controllers.tools import ToolController
from viewer.controllers.view_commands import ViewCommands
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message, error_text
from viewer.model.model import SPEEDS, ViewerModel
from viewer.model.palette import mix_key
from viewer.model.region import Region
from viewer.model.view_settings import FrameRequest
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource, Worker

_STATUS_S = 0.25


class Controller(ViewCommands):
    """Carries out the user's actions and keeps the window up to date; `tick` is called about sixty times a second.

    Attributes:
        model: the state of the viewer.
        source: the open source, or None.
        frame: the last finite frame.
        components: parts with their own state; see `Component`.
        divergence: pauses a source that turns to NaN.
        series: observables over time.
        player: position of a recording.
        follow: keeps the centre of mass in view.
        inspect: the cell under the mouse.
        save: images, states and configs.
        record, film: recordings and films in progress.
        tools: brushes and strokes.
        paste: copied cells in hand.
        selection: selected cells, copied and edited.
        parameters: parameters of the law.
        successors: another grid, or another law, for the same cells.
        shared_speed: the speed of a served run.
        history: list of the edits.
    """

    def __init__(self, view: ViewInterface, model: ViewerModel | None = None) -> None:
        self.view = view
        self.model = model or ViewerModel()
        self.model.listeners.append(self._model_changed)
        self.source: FrameSource | None = None
        self.frame: RenderedFrame | None = None
        self.visible = True
        self.components: list[Component] = []
        self.divergence = DivergenceGuard(self)
        self.series = SeriesController(self)
        self.player = Player(self)
        self.follow = FollowController(self)
        self.inspect = InspectController(self)
        self.save = SaveController(self)
        self.record = RecordController(self)
        self.film = FilmController(self)
        self.tools = ToolController(self)
        self.paste = PasteController(self, self.tools)
        self.selection = SelectionController(self, self.paste)
        self.successors = SuccessorController(self, self.open)
        self.parameters = ParameterController(self, self.successors)
        self.shared_speed = SharedSpeedController(self)
        self.history = History(self, lambda: self.tools.painting)
        for part in (self.tools, self.parameters):
            part.listeners.append(self.history.mark_stale)
        self._status_due = 0.0

    # -- opening -------------------------------------------------------------------------------------------------

    def open(self, source: FrameSource) -> None:
        """Shows a source, with its initial view of the whole grid; closes the one before."""
        self.close()
        self.source = source
        if isinstance(source, Worker):
            source.on_failure(self.failed)
            source.on_restart(self.restarted)
        settings = source.first_view_settings
        region = Region(0, 0, *replace(source.plane, slice=settings.slice).grid)
        self.model.set(view_settings=settings, region=region, follow=False, stride=1, tool="pan")
        if not source.elsewhere:  # a server's speed is that of all its readers: the window takes it over
            source.set_speed(self.model.speed, self.model.stride)
        self.view.show_source(source)
        for component in self.components:
            component.opened(source)
        self.view.show_region(region)
        self._show()

    def close(self) -> None:
        """Closes the source."""
        source, self.source = self.source, None
        self.frame = None
        if source is not None:
            for component in self.components:
                component.closed()
            source.close()
            self.view.show_source(None)

    def attempt(self, action: Callable[[], object]) -> bool:
        """Runs an action, and reports its AetheriaError or OSError to the user; returns whether it succeeded."""
        try:
            action()
        except (AetheriaError, OSError) as error:
            self.failed(error)
            return False
        return True

    def failed(self, error: Exception) -> None:
        """Reports an error to the user."""
        self.view.show_message(Message("error", error_text(error)))

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Takes over what the source has ready. Never waits."""
        if self.source is not None:
            self.source.run_callbacks()
        if self.source is not None:  # a callback may have closed it
            frame = self.source.next_frame()
            if frame is not None and self._fits(frame):
                self._show_new_frame(frame)
        for component in self.components:
            component.tick()
        now = time.monotonic()
        if now >= self._status_due and self.source is not None:
            self._status_due = now + _STATUS_S
            kept = "  ".join(filter(None, (self.record.status_text(), self.film.status_text())))
            self.view.show_status(replace(self.source.status(), recording=kept))

    def _fits(self, frame: RenderedFrame) -> bool:
        settings = self.model.view_settings
        if settings is None or (frame.mix, frame.log) != (mix_key(settings.mix), settings.log):
            return False
        return (frame.field, frame.universe, frame.slice) == (settings.field, settings.universe, settings.slice)

    def _show_new_frame(self, frame: RenderedFrame) -> None:
        if self.divergence.worth_showing(frame):
            self.frame = frame
            self.view.show_frame(frame)

    def set_visible(self, visible: bool) -> None:
        """Sets whether the window can be seen; if not, nothing is computed for it."""
        if visible != self.visible:
            self.visible = visible
            self._show()

    # -- view ----------------------------------------------------------------------------------------------------

    def set_visible_area(self, region: Region, size: tuple[int, int]) -> None:
        """Sets the visible cells, and the (height, width) of their area in pixels."""
        self.model.set(region=region, size=size)

    # -- run -----------------------------------------------------------------------------------------------------

    def toggle_play(self) -> None:
        """Starts or stops."""
        if self.source is not None:
            self.source.play(not self.source.status().playing)
            self._status_due = 0.0

    def step_once(self) -> None:
        """Makes one update and stops."""
        self.step_many(1)

    def step_many(self, updates: int) -> None:
        """Makes so many updates and stops."""
        if self.source is not None:
            self.source.play(False)
            self.source.advance_updates(updates)

    def go_to(self, step: int) -> None:
        """Goes to a step and stops."""
        if self.source is not None:
            self.source.go_to(step)

    def faster(self) -> None:
        """Sets the next higher speed; above the highest: unlimited."""
        speed = self.model.speed
        self.set_speed(next((s for s in SPEEDS if speed is not None and s > speed), None))

    def slower(self) -> None:
        """Sets the next lower speed."""
        speed = self.model.speed
        self.set_speed(SPEEDS[-1] if speed is None else next((s for s in reversed(SPEEDS) if s < speed), SPEEDS[0]))

    def unlimited(self) -> None:
        """Removes the speed limit."""
        self.set_speed(None)

    def set_speed(self, speed: float | None) -> None:
        """Sets updates per second; None for unlimited."""
        self.model.set(speed=speed)

    def stride_up(self) -> None:
        """Doubles the steps per update."""
        self.model.set(stride=min(self.model.stride * 2, 1 << 20))

    def stride_down(self) -> None:
        """Halves the steps per update."""
        self.model.set(stride=max(1, self.model.stride // 2))

    def reset(self) -> None:
        """Restarts from the initial cells and settings."""
        self._restart(self.parameters.start_again)

    def new_seed(self) -> None:
        """Restarts from other random cells."""
        self._restart(lambda motor: motor.restart(motor.seed + 1))

    def _restart(self, restart: Callable[[Aetheria_Motor], None]) -> None:
        source = self.source
        if isinstance(source, LiveSource):
            source.submit_paused(restart, lambda _: self.restarted())
        elif source is not None:
            source.go_to(0)

    def restarted(self) -> None:
        """The run is back at its start: tells the components, and requests a frame."""
        for component in self.components:
            component.restarted()
        source = self.source
        if isinstance(source, LiveSource):
            source.submit(lambda: source.refresh(restarted=True))

    # -- changes of the model ------------------------------------------------------------------------------------

    def _model_changed(self, changed: frozenset[str]) -> None:
        if changed & {"view_settings", "region", "size"}:
            self._show()
        if changed & {"speed", "stride"} and self.source is not None:
            self.source.set_speed(self.model.speed, self.model.stride)

    def _show(self) -> None:
        source, model = self.source, self.model
        if source is None:
            return
        if not self.visible or model.view_settings is None or model.region is None:
            source.request_frames(None)
            return
        height, width = model.size
        size = (max(1, min(height, model.region.height)), max(1, min(width, model.region.width)))
        source.request_frames(FrameRequest(model.view_settings, replace(model.region), size))
