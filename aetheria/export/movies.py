"""Films written picture by picture, however long: MP4 by PyAV, GIF by Pillow."""

import math
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from aetheria.core.errors import ConfigError
from aetheria.files.atomic import replacing

_TICKS = 90_000  # a second in an MP4: whole for every usual frame rate
_SHORTEST_S = 0.02  # players slow down GIFs whose images are shorter


class FilmWriter(Protocol):
    """A film that is being written, as a context manager: whole at its end, gone when anything goes wrong."""

    def add(self, pixels: NDArray[np.uint8], at: float) -> None:
        """A picture `(h, w, 3)` that is seen from `at`, in seconds since the first, until the next. All are of one size."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def film_writer(path: Path, fps: float) -> FilmWriter:
    """A writer for a film of the kind that the suffix names; `fps` is what pictures a second are to be expected.

    Raises:
        ConfigError: the suffix is neither .mp4 nor .gif, or PyAV is not installed.
    """
    if path.suffix.lower() == ".mp4":
        return Mp4(path, fps)
    if path.suffix.lower() == ".gif":
        return Gif(path, 1 / fps)
    raise ConfigError(f"{path}: unknown kind of film; expected .mp4 or .gif")


class Mp4:
    """H.264, readable by browsers; an odd last row or column of pixels is left out.

    Raises:
        ConfigError: PyAV is not installed; from `add`: the pictures are smaller than 2 x 2 pixels.
    """

    def __init__(self, path: Path, fps: float) -> None:
        try:
            import av
        except ImportError:
            raise ConfigError("an MP4 needs PyAV: pip install av") from None
        self._av = av
        self._fps = fps
        self._path = path
        self._replacing = replacing(path)
        self._stream: Any = None
        self._moment = -1

    def add(self, pixels: NDArray[np.uint8], at: float) -> None:
        """Encodes a picture; see `FilmWriter`."""
        if self._stream is None:
            self._begin(*pixels.shape[:2])
        stream = self._stream
        even = np.ascontiguousarray(pixels[: stream.height, : stream.width])
        frame = self._av.VideoFrame.from_ndarray(even, format="rgb24")
        self._moment = max(self._moment + 1, round(at * _TICKS))
        frame.pts, frame.time_base = self._moment, Fraction(1, _TICKS)
        self._container.mux(stream.encode(frame))

    def _begin(self, height: int, width: int) -> None:
        if min(height, width) < 2:
            raise ConfigError(f"{self._path}: pictures of {width} x {height} pixels; a film needs 2 x 2: use a larger scale")
        stream = self._container.add_stream("libx264", rate=Fraction(self._fps).limit_denominator(1000))
        # yuv420p, which players want, halves the colour resolution: sides must be even.
        stream.width, stream.height, stream.pix_fmt = width - width % 2, height - height % 2, "yuv420p"
        stream.options = {"crf": "16"}
        stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream = stream

    def __enter__(self) -> Self:
        self._container = self._av.open(str(self._replacing.__enter__()), "w", format="mp4")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self._stream is not None:
                self._container.mux(self._stream.encode())
            self._container.close()
        except BaseException as own:
            self._replacing.__exit__(type(own), own, own.__traceback__)
            raise
        self._replacing.__exit__(kind, error, trace)


class Gif:
    """Endless, 256 colours a picture; of each picture only what changed is kept."""

    def __init__(self, path: Path, last: float) -> None:
        """
        Args:
            path: of the file.
            last: seconds that the last picture is seen.
        """
        self._replacing = replacing(path)
        self._last = max(last, _SHORTEST_S)
        self._seen: NDArray[np.uint8] | None = None  # what a player shows by now
        self._waiting: tuple[NDArray[np.uint8], float] | None = None  # until it is known how long it is seen
        self._owed = 0.0  # seconds that delays in whole hundredths left over

    def add(self, pixels: NDArray[np.uint8], at: float) -> None:
        """Encodes the picture before; see `FilmWriter`."""
        if self._waiting is not None:
            before, since = self._waiting
            if at - since < _SHORTEST_S - 1e-6 or np.array_equal(pixels, before):
                self._waiting = (pixels, since)
                return
            self._write(before, at - since)
        self._waiting = (pixels, at)

    def _write(self, pixels: NDArray[np.uint8], seconds: float) -> None:
        height, width = pixels.shape[:2]
        if self._seen is None:
            self._file.write(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x70\0\0")
            self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")  # again and again
        top, left, bottom, right = _changed(pixels, self._seen)
        part = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
        part = part.quantize(256, dither=Image.Dither.NONE)
        hundredths = max(2, math.floor((seconds + self._owed) * 100 + 0.5))
        self._owed += seconds - hundredths / 100
        # Disposal 1: what is there stays, and the next picture is drawn over it.
        pieces = GifImagePlugin.getdata(part, (left, top), duration=10 * hundredths, disposal=1, include_color_table=True)
        self._file.write(b"".join(pieces))
        self._seen = pixels

    def __enter__(self) -> Self:
        self._file: IO[bytes] = self._replacing.__enter__().open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            with self._file as file:
                if error is None and self._waiting is not None:
                    self._write(self._waiting[0], self._last)
                    file.write(b";")
        except BaseException as own:
            self._replacing.__exit__(type(own), own, own.__traceback__)
            raise
        self._replacing.__exit__(kind, error, trace)


def _changed(pixels: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of what is not as before; at least one pixel."""
    if before is None:
        return 0, 0, pixels.shape[0], pixels.shape[1]
    differs = (pixels != before).any(-1)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
