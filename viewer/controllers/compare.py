"""Comparison: a second view of the same region and step, with its own field and levels. No Qt."""

from collections.abc import Callable

from viewer.controllers.component import Component, ViewInterface
from viewer.controllers.controller import Controller
from viewer.model.difference import Difference, difference
from viewer.sources.playback import RecordingSource
from viewer.sources.source import Worker


class CompareController(Component):
    """Shows a recording beside the open source, at the frame nearest to the displayed step.

    Attributes:
        second: the controller of the second view; None without one.
        as_first: the second view uses the colours and levels of the first.
        subtracts: the second view shows the first one minus the second.
        listeners: called when the second view was opened or closed.
    """

    def __init__(self, controller: Controller, make_view: Callable[[], ViewInterface]) -> None:
        """
        Args:
            controller: controller of the first view.
            make_view: makes the second view.
        """
        super().__init__(controller)
        self.second: Controller | None = None
        self.as_first = self.subtracts = False
        self.listeners: list[Callable[[], None]] = []
        self._make_view = make_view
        self._worker: Worker | None = None
        self._request_number = 0  # results of older requests are closed
        self._stands: tuple[int, int] | None = None  # step of the first view, and frames of the second

    def open_second(self, make: Callable[[], RecordingSource]) -> None:
        """Opens the recording that `make`, called in a thread, returns; it replaces the second view."""
        if self.controller.source is None:
            return
        if self._worker is None:
            self._worker = Worker("comparison")
            self._worker.on_failure(self.controller.failed)
        self._request_number += 1
        request_number = self._request_number
        self._worker.submit(make, lambda source: self._open(source, request_number))

    def close(self) -> None:
        """Closes the second view."""
        self._request_number += 1
        second, self.second = self.second, None
        if second is not None:
            second.close()
            self._notify()

    def close_all(self) -> None:
        """Closes the second view and ends the thread."""
        self.close()
        if self._worker is not None:
            self._worker.close()

    def paint_as_first(self, wanted: bool) -> None:
        """Uses the colours and levels of the first view for the second, or ends that; the levels then stay as they are."""
        self.as_first = wanted
        self._paint()

    def subtract(self, wanted: bool) -> None:
        """Shows the difference to the first view, of the same field if the second has it, or ends that."""
        self.subtracts = wanted
        second, settings = self.second, self.controller.model.view_settings
        if wanted and second is not None and second.source is not None and settings is not None:
            if settings.field in {choice.name for choice in second.source.fields}:
                second.set_field(settings.field)
            self.paint_as_first(True)  # in other levels the pixels of equal values would differ

    def difference(self) -> Difference | None:
        """The first frame minus the second; None while they are of different places, levels or times."""
        second, first = self.second, self.controller.frame
        if second is None or second.frame is None or first is None or not isinstance(second.source, RecordingSource):
            return None
        source, frame = second.source, second.frame
        at_time = len(source.steps) and source.steps[source.nearest(first.step)] == frame.step
        return difference(first, frame) if at_time else None

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
        self._match_slice()
        self._paint()
        second.tick()

    def _open(self, source: RecordingSource, request_number: int) -> None:
        if request_number != self._request_number or self.controller.source is None:
            source.close()
            return
        self.close()
        self._stands = None
        self.subtracts = False
        second = Controller(self._make_view())
        second.model.set(grid_lines=self.controller.model.grid_lines, theme=self.controller.model.theme)
        second.open(source)
        self.second = second
        self._choose_field()
        self._notify()

    def _choose_field(self) -> None:
        """Chooses the field of the first view; for the same recording, the one after it."""
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

    def _match_slice(self) -> None:
        """Shows the same slice of two volumes; an index is scaled to the other's size."""
        first, second = self.controller.plane, None if self.second is None else self.second.plane
        if first is None or second is None or first.slice is None or second.slice is None or first.axes != second.axes:
            return
        axis, cut = first.slice.axis, first.slice.cut
        cut = cut * second.sides[axis] // first.sides[axis] if isinstance(cut, int) else cut
        if self.second is not None and (axis, cut) != (second.slice.axis, second.slice.cut):
            self.second.set_slice(axis, cut)

    def _paint(self) -> None:
        frame, settings, second = self.controller.frame, self.controller.model.view_settings, self.second
        if self.as_first and second is not None and frame is not None and settings is not None:
            choice = self.controller.choice
            colours = settings.colours or (choice.colours if choice is not None else None)
            second.model.change_view(
                colours=colours, level_mode="locked", levels=frame.levels, log=settings.log, gamma=settings.gamma
            )

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()
