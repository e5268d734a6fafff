"""`recording.movie()`: a film of a recorded field, shown inline in a notebook and saved to a file."""

import base64
import html
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from aetheria.core.errors import ConfigError
from aetheria.core.progress import watched
from aetheria.export.movies import movie_writer
from aetheria.export.pictures import Movie, PictureStyle, save_png
from aetheria.files.atomic import atomic_write
from aetheria.recording import Recording

Steps = tuple[int | None, int | None, int]
_KINDS = {".mp4": "video/mp4", ".gif": "image/gif", ".png": "image/png"}
_SIDE = 384  # pixels to which small pictures are enlarged
_MAX_BYTES = 32 << 20  # of a film that is written into a notebook


class Film:
    """A film: an MP4 where PyAV is installed, else a GIF; of a field with a single axis its space-time picture, a PNG.

    Attributes:
        data: the bytes of the file.
        suffix: ".mp4", ".gif" or ".png".
        frames: their number.
    """

    def __init__(self, movie: Movie, fps: float, progress: bool | None) -> None:
        """Arguments and errors are those of `Recording.movie`."""
        if not 0 < fps <= 1000:
            raise ConfigError(f"movie fps: {fps!r} given; expected frames a second above 0, up to 1000")
        self._movie, self._fps, self._progress = movie, fps, progress
        self.frames = len(movie)
        self.suffix = ".png" if movie.space_time else ".mp4" if find_spec("av") else ".gif"
        with tempfile.TemporaryDirectory(prefix="aetheria-") as folder:
            path = Path(folder, f"film{self.suffix}")
            self._encode(path)
            self.data = path.read_bytes()

    def save(self, path: str | Path) -> Path:
        """Writes the film to a file, whose suffix states the format; another than the film's own is encoded from the recording.

        Raises:
            ConfigError: a suffix other than .mp4 and .gif, or .png for a field with a single axis; PyAV is not installed.
            RecordingError: the recording is closed, and another format wanted.
        """
        path = Path(path)
        if path.suffix.lower() == self.suffix:
            with atomic_write(path) as temporary:
                temporary.write_bytes(self.data)
        else:
            self._encode(path)
        return path

    def __repr__(self) -> str:
        return f"<Film: {self._movie.field}, {self.frames:,} frames, {len(self.data):,} bytes of {_KINDS[self.suffix]}>"

    def _repr_html_(self) -> str:
        if len(self.data) > _MAX_BYTES:
            return f"<p>{html.escape(repr(self))}: too large for a notebook; save it by <code>save(PATH)</code></p>"
        source = f"data:{_KINDS[self.suffix]};base64,{base64.b64encode(self.data).decode()}"
        style = 'style="max-width:100%;image-rendering:pixelated"'
        if self.suffix == ".mp4":
            return f'<video controls loop autoplay muted playsinline {style} src="{source}"></video>'
        return f'<img {style} alt="{html.escape(self._movie.field)}" src="{source}">'

    def _encode(self, path: Path) -> None:
        if self._movie.space_time:
            if path.suffix.lower() != ".png":
                raise ConfigError(f"{path}: {self._movie.field} has a single axis, and so no movie; expected .png")
            save_png(self._movie, path)
            return
        with movie_writer(path, self._fps) as writer:
            for position, image in enumerate(watched(self._movie, self.frames, "film", self._progress)):
                writer.write(np.asarray(image), position / self._fps)


def film(
    recording: Recording, field: str | None, fps: float, steps: Steps, progress: bool | None, style: dict[str, Any]
) -> Film:
    """The film of `Recording.movie`, which describes the arguments; `steps` are its first, last and every."""
    shown = [axis for axis in recording.grid_axes if axis not in style.get("slice", {})]
    scale = max(1, _SIDE // max(len(recording.axis(axis)) for axis in shown)) if shown else 1
    return Film(Movie(recording, field, PictureStyle(**{"scale": scale, **style}), *steps), fps, progress)
