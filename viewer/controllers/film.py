"""Films of the view or of a recording, encoded in threads of their own. No Qt."""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.export.movies import MovieWriter, movie_writer
from aetheria.export.pictures import Images, Movie, PictureStyle, save_gif, save_mp4
from aetheria.observe.request import Cut
from aetheria.recording import Recording
from viewer.controllers.component import Component, ComponentHost
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message, error_text
from viewer.model.palette import colour_table, mixed
from viewer.model.view_settings import FieldChoice, Levels, ViewSettings
from viewer.model.wording import bytes_in_words, shortened
from viewer.sources.playback import RecordingSource

_WAITING = 16  # frames that may wait for the encoder; further ones are dropped
_SIDE = 720  # smallest length in pixels of the longer side of a film
_RATE = 60.0  # expected frames per second of a live view

Pixels = NDArray[np.uint8]


def film_size(pixels: Pixels) -> tuple[int, int]:
    """(height, width) of a film that begins with these pixels: a whole multiple of them, both even."""
    height, width = pixels.shape[:2]
    scale = max(1, -(-_SIDE // max(height, width)))
    return -(-height * scale // 2) * 2, -(-width * scale // 2) * 2


def fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The pixels, scaled without smoothing to fit `size`, centred on black."""
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    scale = float(int(scale)) if scale >= 1 else scale
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    small = Image.fromarray(np.ascontiguousarray(pixels))
    way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    film: Pixels = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    film[top : top + inner[0], left : left + inner[1]] = np.asarray(small.resize(inner[::-1], way))
    return film


class FilmTask:
    """A film in progress, encoded in a thread of its own.

    Attributes:
        path: path of the film.
        done, total: frames; 0 in total when unknown.
        dropped: frames that came while the encoder was behind.
        outcome: message about the result, once the film has ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = self.total = self.dropped = 0
        self.outcome: Message | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="film")  # no daemon: the program ends after the file is complete

    def begin(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the film soon."""
        self._stopped.set()

    def status_text(self) -> str:
        """Progress, for the status bar."""
        raise NotImplementedError

    def encode(self) -> None:
        """Encodes the film; runs in the thread."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            self.encode()
            size = bytes_in_words(self.path.stat().st_size)
            left_out = f"; {self.dropped:,} were dropped, because the encoder was behind" if self.dropped else ""
            self.outcome = Message("note", f"Saved {self.done:,} frames to {self.path.name}, {size}{left_out}.")
        except _StoppedError:
            self.outcome = Message("note", f"{self.path.name} was cancelled, nothing was written.")
        except Exception as error:  # noqa: BLE001 - any error is reported to the user
            self.outcome = Message("error", f"{self.path.name} was not written. {error_text(error)}")


class _StoppedError(Exception):
    """The film was cancelled."""


class LiveFilm(FilmTask):
    """A film of the frames it is given, in real time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writer: MovieWriter = movie_writer(path, _RATE)
        self.began = time.monotonic()
        self._queue: queue.Queue[tuple[Pixels, Pixels, float]] = queue.Queue(_WAITING)

    def add_frame(self, frame: RenderedFrame, table: NDArray[np.uint8]) -> None:
        """Adds a frame, unless too many wait. Never waits."""
        if self._stopped.is_set():
            return
        try:
            self._queue.put_nowait((frame.pixels, table, time.monotonic() - self.began))
        except queue.Full:
            self.dropped += 1

    def status_text(self) -> str:
        return f"\N{BLACK CIRCLE} filming {shortened(self.path.name)}: {time.monotonic() - self.began:.0f} s"

    def encode(self) -> None:
        size: tuple[int, int] | None = None
        last: Pixels | None = None
        with self.writer as film:
            while True:
                try:
                    pixels, table, at = self._queue.get(timeout=0.1)
                except queue.Empty:
                    if self._stopped.is_set():
                        break
                    continue
                colours = pixels if pixels.ndim == 3 else table[pixels]
                size = size or film_size(colours)
                last = fitted(colours, size)
                at = 0.0 if self.done == 0 else at
                film.write(last, at)
                self.done += 1
            if last is None:
                raise _StoppedError
            film.write(last, time.monotonic() - self.began)  # shows the last frame until the end


@dataclass(frozen=True)
class FilmExport:
    """Settings of a film of a recording: file, view and frames per second.

    Attributes:
        levels: of the displayed fields. cuts: of the slice. scale: pixels for each side of a cell.
    """

    recording: Path
    view_settings: ViewSettings
    choices: Mapping[str, FieldChoice]
    levels: tuple[Levels, ...]
    cuts: Mapping[str, Cut]
    scale: int = 1
    fps: float = 30.0

    def images(self, recording: Recording) -> Images:
        """The images of an open recording."""
        settings = self.view_settings
        if settings.mix is not None:
            return _MixedMovie(recording, self)
        style = PictureStyle(
            settings.colours, self.levels[0], settings.universe, self.scale, self.cuts, settings.log, settings.gamma
        )
        return Movie(recording, settings.field, style)


class _MixedMovie:
    """The images of several fields of a recording, mixed as in the view."""

    def __init__(self, recording: Recording, export: FilmExport) -> None:
        settings = export.view_settings
        self.export, self.field = export, settings.field
        places = " ".join(f"#{place:02x}{place:02x}{place:02x}" for place in range(256))  # a map of the places themselves
        styles = (
            PictureStyle(places, levels, settings.universe, export.scale, export.cuts, settings.log) for levels in export.levels
        )
        self._parts = [Movie(recording, name, style) for name, style in zip(settings.fields, styles, strict=True)]

    @property
    def space_time(self) -> bool:
        """Whether each image is one row of pixels."""
        return self._parts[0].space_time

    def __len__(self) -> int:
        return len(self._parts[0])

    def __iter__(self) -> Iterator[Image.Image]:
        for position in range(len(self)):
            planes = [np.asarray(part[position])[..., 0] for part in self._parts]
            yield Image.fromarray(mixed(planes, self.export.view_settings, self.export.choices))


class RecordingFilm(FilmTask):
    """A film of a recording, read through a handle of its own."""

    def __init__(self, path: Path, export: FilmExport) -> None:
        super().__init__(path)
        self.export = export

    def status_text(self) -> str:
        share = f"{self.done / self.total:.0%}" if self.total else "opening"
        return f"\N{BLACK CIRCLE} writing {shortened(self.path.name)}: {share}"

    def encode(self) -> None:
        save = save_gif if self.path.suffix.lower() == ".gif" else save_mp4
        with Recording(self.export.recording) as recording:
            film = self.export.images(recording)
            self.total = len(film)
            save(film, self.path, self.export.fps, self._progress)

    def _progress(self, done: int) -> None:
        self.done = done
        if self._stopped.is_set():
            raise _StoppedError


class FilmController(Component):
    """Makes one film at a time.

    Attributes:
        task: the film in progress; None without one.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.task: FilmTask | None = None
        self._ending: list[FilmTask] = []
        self._last: RenderedFrame | None = None

    def status_text(self) -> str:
        """Progress, for the status bar."""
        return self.task.status_text() if self.task is not None else ""

    def film_view(self, path: Path) -> None:
        """Films the view, from the present frame on."""
        if self.task is None and self.controller.attempt(lambda: movie_writer(path, _RATE)):
            self._last = None
            self._start(LiveFilm(path))

    def film_recording(self, path: Path, scale: int, fps: float) -> None:
        """Films the whole open recording, with the present view settings."""
        source, settings, frame = self.controller.source, self.controller.model.view_settings, self.controller.frame
        if self.task is not None or not isinstance(source, RecordingSource) or settings is None or frame is None:
            return
        cuts = replace(source.plane, slice=settings.slice).cuts
        choices = {choice.name: choice for choice in source.fields}
        levels = (frame.levels, *frame.other_levels)
        self._start(RecordingFilm(path, FilmExport(source.recording.path, settings, choices, levels, cuts, scale, fps)))

    def stop(self) -> None:
        """Ends the film: a film of the view is complete, one of a recording is cancelled."""
        if self.task is not None:
            self.task.stop()
            self._ending.append(self.task)
            self.task = None

    # -- component -----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        task = self.task
        if isinstance(task, LiveFilm):
            self._feed(task)
        if task is not None and task.outcome is not None:
            self.stop()
        for ended in [task for task in self._ending if task.outcome is not None]:
            self._ending.remove(ended)
            assert ended.outcome is not None
            self.controller.view.show_message(ended.outcome)

    def closed(self) -> None:
        self.stop()

    def _start(self, task: FilmTask) -> None:
        self.task = task
        task.begin()

    def _feed(self, task: LiveFilm) -> None:
        frame, settings, choice = self.controller.frame, self.controller.model.view_settings, self.controller.choice
        if frame is None or settings is None or choice is None or frame is self._last or frame.field != settings.field:
            return
        self._last = frame
        task.add_frame(frame, colour_table(settings, choice))
