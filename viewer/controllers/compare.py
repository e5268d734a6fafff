"""A second picture beside the first: the same part of the grid at the same step, in a look of its own. No Qt."""

from collections.abc import Callable

from viewer.controllers.component import Component, ViewInterface
from viewer.controllers.controller import Controller
from viewer.sources.playback import RecordingSource
from viewer.sources.source import Worker


class CompareController(Component):
    """Keeps a recording beside whatever is open: it stands at the frame whose step is nearest to the one that is shown.

    Attributes:
        second: the controller of the second picture; None without one.
        as_first: the second picture is painted as the first, in its colours and between its levels.
        listeners: called when a second picture has come or gone.
    """

    def __init__(self, controller: Controller, make_view: Callable[[], ViewInterface]) -> None:
        """
        Args:
            controller: of the first picture.
            make_view: a place for the second.
        """
        super().__init__(controller)
        self.second: Controller | None = None
        self.as_first = False
        self.listeners: list[Callable[[], None]] = []
        self._make_view = make_view
        self._worker: Worker | None = None
        self._request_number = 0  # the newest; what was wished for before is not wanted any more
        self._stands: tuple[int, int] | None = None  # step of the first picture, and frames of the second

    def open_second(self, make: Callable[[], RecordingSource]) -> None:
        """Opens the recording that `make` returns, which is called in a thread; it takes the place of the one before."""
        if self.controller.source is None:
            return
        if self._worker is None:
            self._worker = Worker("comparison")
            self._worker.on_failure(self.controller.failed)
        self._request_number += 1
        request_number = self._request_number
        self._worker.submit(make, lambda source: self._open(source, request_number))

    def close(self) -> None:
        """Away with the second picture."""
        self._request_number += 1
        second, self.second = self.second, None
        if second is not None:
            second.close()
            self._notify()

    def close_all(self) -> None:
        """Away with it for good."""
        self.close()
        if self._worker is not None:
            self._worker.close()

    def paint_as_first(self, wanted: bool) -> None:
        """Paints the second picture as the first; or no longer, and levels stay as they are."""
        self.as_first = wanted
        self._paint()

    def closed(self) -> None:
        self.close()

    def tick(self) -> None:
        if self._worker is not None:
            self._worker.run_callbacks()
        second = self.second
        if second is None or not isinstance(second.source, RecordingSource):
            return
        second.set_visible(self.controller.visible)
        frame = self.controller.frame
        stands = None if frame is None else (frame.step, len(second.source.steps))
        if stands is not None and stands != self._stands:
            self._stands = stands
            second.go_to(stands[0])
        self._paint()
        second.tick()

    def _open(self, source: RecordingSource, request_number: int) -> None:
        if request_number != self._request_number or self.controller.source is None:
            source.close()
            return
        self.close()
        self._stands = None
        second = Controller(self._make_view())
        second.model.set(grid_lines=self.controller.model.grid_lines, theme=self.controller.model.theme)
        second.open(source)
        self.second = second
        self._choose_field()
        self._notify()

    def _choose_field(self) -> None:
        """The field of the first picture; of the same recording, the one after it."""
        first, second = self.controller.source, self.second
        if first is None or second is None or second.source is None or self.controller.model.view_settings is None:
            return
        settings = self.controller.model.view_settings
        names = [choice.name for choice in second.source.fields]
        universe = min(settings.universe, second.source.universes - 1)
        if settings.field in names:
            same = isinstance(first, RecordingSource) and first.title == second.source.title
            second.set_field(names[(names.index(settings.field) + same) % len(names)])
        second.model.change_view(universe=universe)

    def _paint(self) -> None:
        frame, settings, second = self.controller.frame, self.controller.model.view_settings, self.second
        if self.as_first and second is not None and frame is not None and settings is not None:
            choice = self.controller.choice
            colours = settings.colours or (choice.colours if choice is not None else None)
            second.model.change_view(colours=colours, level_mode="locked", levels=frame.levels)

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()
