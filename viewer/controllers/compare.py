"""Comparison: a second view of the same region and step, with its own field and levels. No Qt."""

from collections.abc import Callable
from dataclasses import replace

from viewer.controllers.component import Component, ViewInterface
from viewer.controllers.controller import Controller
from viewer.model.difference import Difference, difference
from viewer.model.messages import Message
from viewer.model.palette import mix_key
from viewer.sources.playback import RecordingSource
from viewer.sources.source import Worker


class CompareController(Component):
    """Shows a recording beside the open source, at the frame nearest to the displayed step.

    Attributes:
        second: the controller of the second view; None without one.
        as_first: the second view uses the colours and levels of the first, and shows the mix of fields that it shows.
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
        """Uses the colours, levels and mix of the first view for the second, or ends that; they then stay as they are."""
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
            missing = self._missing()
            if missing:
                lacks = f"The recording on the right has no {', '.join(missing)}, which the left view mixes"
                second.view.show_message(Message("note", f"{lacks}: show one field to subtract."))

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
            if not same and not self._missing():
                second.model.change_view(mix=settings.mix)
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

    def _missing(self) -> list[str]:
        """Fields of the mix in the first view that the second recording does not have."""
        settings, second = self.controller.model.view_settings, self.second
        if settings is None or settings.mix is None or second is None or second.source is None:
            return []
        return sorted(set(settings.fields) - {choice.name for choice in second.source.fields})

    def _paint(self) -> None:
        frame, settings, second = self.controller.frame, self.controller.model.view_settings, self.second
        if not self.as_first or second is None or second.model.view_settings is None or frame is None or settings is None:
            return
        if frame.mix != mix_key(settings.mix):
            return  # its levels are of the fields before
        choice = self.controller.choice
        colours = settings.colours or (choice.colours if choice is not None else None)
        mix = None if settings.mix is None or self._missing() else replace(settings.mix, levels=frame.other_levels)
        field = second.model.view_settings.field if mix is None else settings.field
        second.model.change_view(
            field=field,
            colours=colours,
            level_mode="locked",
            levels=frame.levels,
            log=settings.log,
            gamma=settings.gamma,
            mix=mix,
        )

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()
