"""Opens files and runs in threads; the newest request replaces those before. No Qt."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from viewer.controllers.component import Component
from viewer.controllers.controller import Controller
from viewer.model.messages import Message, error_text
from viewer.sources.importing import SUFFIXES, NewRun, RunChange, import_file
from viewer.sources.live import LiveSource
from viewer.sources.opening import is_address, live_source, open_any
from viewer.sources.source import FrameSource, close_at_exit


class OpenQueue(Component):
    """Opens files and runs in threads of their own, because a motor takes seconds to build.

    Attributes:
        device: for live runs, instead of their configs'.
        on_opened: called with the path of each opened file.
        on_failed: called when a request fails.
    """

    controller: Controller

    def __init__(
        self,
        controller: Controller,
        on_opened: Callable[[str], object] = lambda _: None,
        on_failed: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(controller)
        self.device: str | None = None
        self.on_opened, self.on_failed = on_opened, on_failed
        self._pending: _Opening | None = None

    def open(self, path: str | Path, overrides: list[str] | None = None, title: str = "") -> None:
        """Opens a file, or a shipped config by its name, and plays it; cells and weights go into the open run.

        Args:
            overrides: settings of a config, as "key=value".
            title: name to show meanwhile; the file's name by default.
        """
        if self._pending is not None and self._pending.path == str(path) and not overrides:
            return  # a double click
        if is_address(path):  # which is shown without its token, and not remembered
            place = urlsplit(str(path)).netloc
            self.open_made(place, lambda: open_any(path, overrides, self.device))
            return
        run = self.controller.source if isinstance(self.controller.source, LiveSource) else None

        def make() -> FrameSource | RunChange | NewRun:
            if Path(path).suffix.lower() in SUFFIXES:
                return import_file(Path(path), run)
            return open_any(path, overrides, self.device)

        self.open_made(title or Path(path).name, make, str(path))

    def open_made(self, title: str, make: Callable[[], FrameSource | RunChange | NewRun], path: str = "") -> None:
        """Opens the result of `make`, which is called in a thread; cancels the request before.

        Args:
            title: name to show meanwhile.
            path: the file it comes from, if any.
        """
        self.cancel()
        self._pending = _Opening(make, self.device, path)
        self.controller.view.show_waiting(f"Opening {title}...")

    def cancel(self) -> None:
        """Cancels the present request."""
        if self._pending is not None:
            self._pending.close()
            self._pending = None
            self.controller.view.show_waiting("")

    @property
    def waiting(self) -> bool:
        """Whether a request is in progress."""
        return self._pending is not None

    def tick(self) -> None:
        opening = self._pending
        if opening is None or opening.result is None:
            return
        self._pending = None
        self.controller.view.show_waiting("")
        match opening.result:
            case Exception() as error:
                words, name = error_text(error), Path(opening.path).name
                self.controller.view.show_message(Message("error", words if name in words else f"{name}: {words}"))
                self.on_failed()
                return
            case RunChange() as change:
                self._apply_change(change)
            case _Ready(source, note):
                self.controller.open(source)
                if source.starts:
                    source.play(True)
                self._show_note(note)
        if opening.path:
            self.on_opened(opening.path)

    def _apply_change(self, change: RunChange) -> None:
        source = self.controller.source
        if source is not change.source:
            return  # closed in the meantime
        playing = change.source.status().playing
        ask = change.source.submit_paused if change.restarts else change.source.submit_with_motor
        ask(change.apply, lambda _: self._change_applied(change, playing))

    def _change_applied(self, change: RunChange, playing: bool) -> None:
        source = change.source
        if source.config is not None:
            source.config = change.apply_to_config(source.config)
        if change.restarts:
            self.controller.restarted()
            source.play(playing)
        self._show_note(change.note)

    def _show_note(self, note: str) -> None:
        if note:
            self.controller.view.show_message(Message("note", note))


@dataclass(frozen=True)
class _Ready:
    source: FrameSource
    note: str = ""


class _Opening:
    """A request in a thread of its own.

    Attributes:
        result: the result; None while the thread works.
    """

    def __init__(self, make: Callable[[], FrameSource | RunChange | NewRun], device: str | None, path: str) -> None:
        self.path = path
        self.result: _Ready | RunChange | Exception | None = None
        self._unwanted = False
        self._guard = threading.Lock()
        self.thread = threading.Thread(target=self._work, args=(make, device), name="opening", daemon=True)
        self.thread.start()
        close_at_exit(self)

    def close(self) -> None:
        """Cancels the request, and closes its result."""
        with self._guard:
            self._unwanted = True
            result, self.result = self.result, None
        if isinstance(result, _Ready):
            result.source.close()

    def _work(self, make: Callable[[], FrameSource | RunChange | NewRun], device: str | None) -> None:
        result: _Ready | RunChange | Exception
        try:
            made = make()
            if isinstance(made, NewRun):
                result = _Ready(_prepared(made, device), made.note)
            else:
                result = made if isinstance(made, RunChange) else _Ready(made)
        except Exception as error:  # noqa: BLE001 - any error is reported to the user
            result = error
        with self._guard:
            if not self._unwanted:
                self.result = result
            elif isinstance(result, _Ready):
                result.source.close()


def _prepared(run: NewRun, device: str | None) -> LiveSource:
    source = live_source(run.config, run.config.title or run.config.law.name, device)
    try:
        run.prepare(source.motor)
    except BaseException:
        source.close()
        raise
    return source
